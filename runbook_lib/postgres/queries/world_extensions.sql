-- The extensions of a database, and whose they are: an archive does not tell. What one needs comes before it.
WITH RECURSIVE chain AS (
    SELECT oid, 0 AS depth
    FROM pg_catalog.pg_extension
    UNION
    SELECT d.objid, depth + 1
    FROM chain
    JOIN pg_catalog.pg_depend d ON d.refobjid = chain.oid
    WHERE d.classid = 'pg_catalog.pg_extension'::regclass AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND depth < 50
)
SELECT extname AS name, nspname AS schema, extversion AS version, pg_catalog.pg_get_userbyid(extowner) AS owner
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE extname <> 'plpgsql'
ORDER BY (SELECT max(depth) FROM chain WHERE chain.oid = e.oid), extname
