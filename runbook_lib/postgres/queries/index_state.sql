-- One index by name: its table, and whether it is valid; an interrupted concurrent build leaves one that is not.
SELECT i.oid, tn.nspname AS schema, t.relname AS "table", x.indisvalid AS valid
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE n.nspname = %(schema)s AND i.relname = %(name)s
