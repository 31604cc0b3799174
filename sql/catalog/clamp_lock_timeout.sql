-- Bring a lock_timeout that a file raised or switched off back to the policy's, in milliseconds.
SELECT set_config('lock_timeout', %(bound)s::text, false)
FROM pg_settings
WHERE name = 'lock_timeout' AND (setting::bigint = 0 OR setting::bigint > %(bound)s)
