-- pg_dump stops at the first table, sequence or large object that the role may not read, and needs a snapshot that is shared with it.
-- name: may read for the backup
-- severity: error
-- expect: no rows
-- remedy: GRANT pg_read_all_data (PostgreSQL 14; not for large objects), or SELECT on these and
--     USAGE on their schemas, or EXECUTE, to the role.
-- seen: SELECT count(*) || ' tables and sequences, SELECT granted on all' FROM pg_catalog.pg_class
--     AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r',
--     'p', 'S') AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
SELECT n.nspname || '.' || c.relname AS relation
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S')
  AND NOT starts_with(n.nspname, 'pg_') AND n.nspname <> 'information_schema'
  AND NOT (has_schema_privilege(n.oid, 'USAGE')
           AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
                              ELSE has_table_privilege(c.oid, 'SELECT') END)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT 'pg_catalog.' || proname || '()'
FROM pg_catalog.pg_proc
WHERE oid = 'pg_catalog.pg_export_snapshot()'::regprocedure AND NOT has_function_privilege(oid, 'EXECUTE')
UNION ALL
SELECT 'pg_catalog.pg_largeobject_metadata, and there are large objects'
WHERE NOT has_table_privilege('pg_catalog.pg_largeobject_metadata', 'SELECT')
  AND pg_relation_size('pg_catalog.pg_largeobject_metadata') > 0
ORDER BY 1
