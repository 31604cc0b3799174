-- Over the network, passwords and rows travel in the clear without TLS.
-- name: TLS
-- severity: warning
-- expect: no rows
-- remedy: Connect with sslmode=verify-full, and switch ssl on in the server.
-- seen: SELECT CASE WHEN ssl THEN version || ', ' || cipher ELSE 'a connection on the same
--     machine' END FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()
SELECT 'no TLS between ' || host(inet_client_addr()) || ' and ' || host(inet_server_addr()) AS connection
FROM pg_catalog.pg_stat_ssl
WHERE pid = pg_backend_pid() AND NOT ssl AND inet_client_addr() <> inet_server_addr()
