-- Rows that arrive by logical replication take locks, and stop where the columns differ.
-- name: subscribed tables
-- severity: warning
-- expect: no rows
-- remedy: ALTER SUBSCRIPTION ... DISABLE while its tables change, and enable it afterwards.
-- seen: SELECT count(*) || ' tables are subscribed, none that the release names' FROM
--     pg_catalog.pg_subscription_rel
SELECT n.nspname || '.' || c.relname || ' by ' || s.subname AS subscribed
FROM pg_catalog.pg_subscription_rel AS r
JOIN pg_catalog.pg_subscription AS s ON s.oid = r.srsubid
JOIN pg_catalog.pg_class AS c ON c.oid = r.srrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname = ANY(%(tables)s::text[])
ORDER BY 1
