-- Where the ledger is, and else where it is made: in public, else where names are made, else in the first schema where this role may.
SELECT nspname AS schema, c.oid IS NOT NULL AS there
FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = '_prisma_migrations' AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
ORDER BY c.oid IS NOT NULL DESC, nspname = 'public' DESC, has_schema_privilege(n.oid, 'CREATE') DESC, nspname
LIMIT 1
