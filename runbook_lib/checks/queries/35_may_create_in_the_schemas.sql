-- From PostgreSQL 15 on, a role other than the owner may not create in public by default.
-- name: may create in the schemas
-- severity: error
-- expect: no rows
-- remedy: GRANT CREATE ON SCHEMA, or ON DATABASE where the release creates the schema, to the
--     role.
-- seen: SELECT cardinality(%(schemas)s::text[]) || ' schemas get new objects, CREATE granted on
--     all'
SELECT 'schema ' || nspname AS missing
FROM pg_catalog.pg_namespace
WHERE nspname = ANY(%(schemas)s::text[])
  AND NOT (has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE'))
UNION ALL
SELECT 'database, for schema ' || wanted.name
FROM unnest(%(new_schemas)s::text[]) AS wanted (name)
WHERE NOT has_database_privilege(current_database(), 'CREATE')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = wanted.name)
ORDER BY 1
