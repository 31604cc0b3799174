-- The release's files are sent as UTF-8 and must be read as such.
-- name: client encoding
-- severity: error
-- expect: no rows
-- remedy: Unset PGCLIENTENCODING, and RESET client_encoding for role and database.
SELECT 'client_encoding is ' || current_setting('client_encoding') AS setting
WHERE current_setting('client_encoding') <> 'UTF8'
  AND current_setting('client_encoding') <> current_setting('server_encoding')
