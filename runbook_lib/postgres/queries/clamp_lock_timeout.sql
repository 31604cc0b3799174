-- Bring a lock_timeout that is higher, or off, down to a bound in milliseconds.
SELECT pg_catalog.set_config('lock_timeout', %(bound)s::text, %(local)s)
FROM pg_catalog.pg_settings
WHERE name = 'lock_timeout' AND (setting::bigint = 0 OR setting::bigint > %(bound)s)
