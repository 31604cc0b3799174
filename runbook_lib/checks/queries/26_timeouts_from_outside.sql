-- A timeout that the server, database or role sets can end a long statement or its session midway.
-- name: timeouts from outside
-- severity: warning
-- expect: no rows
-- remedy: RESET it for the role that migrates. lock_timeout and statement_timeout the runbook
--     sets itself, by policy.
-- seen: SELECT 'no timeout of server, database or role is set'
SELECT name || ' = ' || reset_val || coalesce(' ' || unit, '') || ' (' || source || ')' AS setting
FROM pg_catalog.pg_settings
WHERE name IN ('lock_timeout', 'statement_timeout', 'transaction_timeout',
               'idle_in_transaction_session_timeout', 'idle_session_timeout')
  AND reset_val <> '0'
ORDER BY 1
