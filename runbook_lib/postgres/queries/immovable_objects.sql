-- What keeps a schema's objects from being moved to another one: what lies in no schema and calls a function that would
-- be moved, which an extension's is not, and types that were named and never made.
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, 0) AS what
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE d.classid IN ('pg_event_trigger'::regclass, 'pg_language'::regclass, 'pg_foreign_data_wrapper'::regclass, 'pg_am'::regclass)
  AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
UNION
SELECT pg_catalog.format('shell type %I.%I', n.nspname, t.typname)
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE NOT t.typisdefined AND n.nspname !~ '^pg_'
ORDER BY 1
