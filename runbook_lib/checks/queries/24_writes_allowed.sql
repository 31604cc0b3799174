-- With default_transaction_read_only every statement of the release is refused.
-- name: writes allowed
-- severity: error
-- expect: no rows
-- remedy: ALTER ROLE or ALTER DATABASE ... RESET default_transaction_read_only.
-- seen: SELECT 'default_transaction_read_only is ' ||
--     current_setting('default_transaction_read_only')
SELECT 'default_transaction_read_only is on' AS setting
WHERE current_setting('default_transaction_read_only')::boolean
