-- What moves of an ordinary table when its rows do: its file, and the count of rows that were written.
-- The count is read anew by each session, and exact once the sessions that wrote have ended.
SELECT n.nspname AS schema, c.relname AS name, c.oid, pg_relation_filenode(c.oid) AS file,
       pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) AS written
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2
