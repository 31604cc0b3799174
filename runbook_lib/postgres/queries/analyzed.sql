-- What ANALYZE reads of these tables without leaving the server: each itself, or where it has a part elsewhere its local parts.
WITH RECURSIVE parts AS (
    SELECT c.oid AS root, c.oid
    FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS asked (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name AND c.relkind IN ('r', 'p', 'm')
    UNION
    SELECT parts.root, h.inhrelid
    FROM parts
    JOIN pg_catalog.pg_inherits h ON h.inhparent = parts.oid
), remote AS (
    SELECT DISTINCT parts.root
    FROM parts
    JOIN pg_catalog.pg_class c ON c.oid = parts.oid AND c.relkind = 'f'
)
SELECT DISTINCT n.nspname AS schema, c.relname AS name
FROM parts
JOIN pg_catalog.pg_class c ON c.oid = parts.oid AND c.relkind IN ('r', 'p', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE (parts.root = parts.oid) <> (parts.root IN (SELECT root FROM remote))
ORDER BY 1, 2
