-- The event triggers whose function could be moved to another schema, as those of extensions cannot.
SELECT evtname AS name
FROM pg_catalog.pg_event_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.evtfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
ORDER BY 1
