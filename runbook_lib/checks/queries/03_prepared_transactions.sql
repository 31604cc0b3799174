-- A prepared transaction keeps its locks without a session, through a restart of the server too.
-- name: prepared transactions
-- severity: warning
-- expect: no rows
-- remedy: Have the transaction manager decide, or do it by hand with COMMIT PREPARED or
--     ROLLBACK PREPARED.
-- seen: SELECT 'none; max_prepared_transactions is ' ||
--     current_setting('max_prepared_transactions')
SELECT quote_literal(gid) || ' of ' || owner || ' since ' || prepared::timestamptz(0) AS transaction
FROM pg_catalog.pg_prepared_xacts
WHERE database = current_database()
ORDER BY prepared
