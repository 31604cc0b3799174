-- What a session may set and where it comes from, and what no session can: the meaning of SQL depends on it.
SELECT name, setting, context, source
FROM pg_catalog.pg_settings
WHERE context IN ('user', 'superuser', 'backend', 'superuser-backend', 'internal')
