-- What of the schema this role may not see, where there is something of the kind.
SELECT 'the options of user mappings' AS what
WHERE EXISTS (SELECT FROM pg_user_mappings WHERE umoptions IS NULL) AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
UNION ALL
SELECT 'where subscriptions lead'
WHERE EXISTS (SELECT oid FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND NOT has_column_privilege('pg_catalog.pg_subscription', 'subconninfo', 'SELECT')
