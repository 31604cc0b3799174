-- The collations that something of this database depends on, or that were made in it, with the provider and the locale of each.
SELECT c.collname AS name, c.collprovider::text AS provider,
       -- The columns of the locale are named differently before 15, 17 and after.
       coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate) AS locale
FROM pg_catalog.pg_collation c
WHERE c.collprovider IN ('c', 'i') AND c.collname NOT IN ('C', 'POSIX')
  AND (c.oid >= 16384  -- the first that initdb does not give
       OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.refclassid = 'pg_catalog.pg_collation'::regclass AND d.refobjid = c.oid))
ORDER BY 1
