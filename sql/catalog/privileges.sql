-- What the role may do: everything the release and a rollback beside the old database need.
SELECT r.rolsuper AS superuser,
       r.rolsuper OR r.rolcreatedb AS create_database,
       has_database_privilege(current_database(), 'CREATE') AS create_schema,
       has_schema_privilege('public', 'CREATE') AS create_in_public,
       (SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT pg_has_role(c.relowner, 'USAGE')) AS foreign_tables
FROM pg_roles r
WHERE r.rolname = current_user
