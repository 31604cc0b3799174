-- All ledger rows, oldest first; a migration that was resolved has several.
SELECT id, migration_name, checksum, started_at, finished_at, rolled_back_at,
       coalesce(logs, '') AS logs, applied_steps_count
FROM {}
ORDER BY started_at, finished_at
