-- The release's files are UTF-8; another encoding refuses or mangles what it cannot hold.
-- name: server encoding
-- severity: warning
-- expect: no rows
-- remedy: Plan a dump and restore into a database with encoding UTF8.
-- seen: SELECT 'server_encoding is ' || current_setting('server_encoding')
SELECT 'server_encoding is ' || current_setting('server_encoding') AS setting
WHERE current_setting('server_encoding') <> 'UTF8'
