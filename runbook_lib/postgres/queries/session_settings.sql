-- Bound what a migration session may wait for; a setting this server does not know is passed over.
SELECT pg_catalog.set_config(name, value, false)
FROM (VALUES ('lock_timeout', %(lock_timeout)s),
             ('statement_timeout', %(statement_timeout)s),
             ('client_connection_check_interval', '1000')) AS wanted (name, value)
WHERE pg_catalog.current_setting(name, true) IS NOT NULL
