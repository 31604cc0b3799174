-- What is there of all that lies in no schema, as an archive's list names it: it stays, with its grants and comments.
WITH things AS (
    SELECT 'SCHEMA' AS kind, nspname::text AS name FROM pg_catalog.pg_namespace
    UNION ALL
    SELECT 'EXTENSION', extname FROM pg_catalog.pg_extension
    UNION ALL
    SELECT 'FOREIGN DATA WRAPPER', fdwname FROM pg_catalog.pg_foreign_data_wrapper
    UNION ALL
    SELECT 'SERVER', srvname FROM pg_catalog.pg_foreign_server
    UNION ALL
    SELECT 'USER MAPPING', format('USER MAPPING %s SERVER %s', usename, srvname) FROM pg_catalog.pg_user_mappings
    UNION ALL
    SELECT 'PROCEDURAL LANGUAGE', lanname FROM pg_catalog.pg_language
    UNION ALL
    SELECT 'ACCESS METHOD', amname FROM pg_catalog.pg_am
    UNION ALL
    SELECT 'EVENT TRIGGER', evtname FROM pg_catalog.pg_event_trigger
    UNION ALL
    SELECT 'PUBLICATION', pubname FROM pg_catalog.pg_publication
)
SELECT format('%s - %s', kind, name) AS entry FROM things
UNION ALL
SELECT format('%s - %s %s', what, kind, name) FROM things CROSS JOIN unnest(ARRAY['ACL', 'COMMENT', 'SECURITY LABEL']) AS what
UNION ALL
-- Version 14 has no such catalog.
SELECT format('PUBLICATION TABLES IN SCHEMA %s %s %s', n.nspname, p.pubname, n.nspname)
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_publication p ON d.refclassid = 'pg_publication'::regclass AND p.oid = d.refobjid
JOIN pg_catalog.pg_depend e ON e.classid = d.classid AND e.objid = d.objid AND e.refclassid = 'pg_namespace'::regclass
JOIN pg_catalog.pg_namespace n ON n.oid = e.refobjid
WHERE d.classid = pg_catalog.to_regclass('pg_catalog.pg_publication_namespace')
UNION ALL
-- The rows of tables that belong to an extension are its own configuration.
SELECT format('TABLE DATA %s %s', n.nspname, c.relname)
FROM pg_catalog.pg_depend e
JOIN pg_catalog.pg_class c ON e.classid = 'pg_class'::regclass AND c.oid = e.objid AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE e.deptype = 'e'
