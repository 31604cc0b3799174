-- Each migration writes its row in its own transaction: without it the migration is taken back.
-- name: may write the ledger
-- severity: error
-- expect: no rows
-- remedy: GRANT SELECT, INSERT, UPDATE ON public._prisma_migrations, or CREATE ON SCHEMA
--     public, to the role.
-- seen: SELECT CASE WHEN to_regclass('public._prisma_migrations') IS NULL THEN 'no ledger yet,
--     CREATE granted on schema public' ELSE 'SELECT, INSERT and UPDATE granted on the ledger' END
SELECT 'no ' || privilege || ' on the ledger' AS missing
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
WHERE n.nspname = 'public' AND c.relname = '_prisma_migrations'
  AND NOT (has_table_privilege(c.oid, privilege) AND has_schema_privilege(n.oid, 'USAGE'))
UNION ALL
SELECT 'no CREATE on schema public, and there is no ledger yet'
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = 'public' AND NOT has_schema_privilege(n.oid, 'CREATE')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                  WHERE c.relnamespace = n.oid AND c.relname = '_prisma_migrations')
