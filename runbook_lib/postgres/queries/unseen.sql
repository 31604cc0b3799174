-- What of the schema this role may not see, where there is something of the kind.
SELECT 'where subscriptions lead' AS what
WHERE EXISTS (SELECT oid FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND NOT has_column_privilege('pg_catalog.pg_subscription', 'subconninfo', 'SELECT')
