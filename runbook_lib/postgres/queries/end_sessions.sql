-- End the sessions of a database that is about to change its name: those at rest, or everybody.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE datid = %(oid)s
  AND usesysid IS NOT NULL  -- autovacuum has no role: the rename ends it, and not every role may
  AND (state = 'idle' OR %(everybody)s)
