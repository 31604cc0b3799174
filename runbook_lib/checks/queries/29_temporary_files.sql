-- An index build or a sort that needs more temporary space than temp_file_limit fails.
-- name: temporary files
-- severity: warning
-- expect: no rows
-- remedy: Raise temp_file_limit for the role that migrates.
-- seen: SELECT 'temp_file_limit is ' || current_setting('temp_file_limit')
SELECT 'temp_file_limit is ' || pg_size_pretty(s.setting::bigint * 1024) || ', '
       || n.nspname || '.' || c.relname || ' is ' || pg_size_pretty(size) AS setting
FROM pg_catalog.pg_settings AS s, pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace,
     LATERAL (SELECT c.relpages::bigint * current_setting('block_size')::bigint) AS of (size)
WHERE s.name = 'temp_file_limit' AND s.setting::bigint BETWEEN 0 AND size / 1024 - 1
  AND n.nspname || '.' || c.relname = ANY(%(tables)s::text[])
ORDER BY size DESC
