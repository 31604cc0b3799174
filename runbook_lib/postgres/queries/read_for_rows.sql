-- Where the rows of a relation lie that this role may read without leaving the server: its local parts, each by itself.
-- A foreign table has none here, nor has a view that was not populated; what may not be read has one part that is null.
WITH RECURSIVE parts AS (
    SELECT asked.place, c.oid
    FROM unnest(%(schemas)s::text[], %(names)s::text[]) WITH ORDINALITY AS asked (schema, name, place)
    JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
    UNION
    SELECT parts.place, h.inhrelid
    FROM parts
    JOIN pg_catalog.pg_inherits h ON h.inhparent = parts.oid
)
SELECT place, n.nspname AS schema, c.relname AS name,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
FROM parts
JOIN pg_catalog.pg_class c ON c.oid = parts.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' OR (c.relkind = 'm' AND c.relispopulated)
ORDER BY place, n.nspname, c.relname
