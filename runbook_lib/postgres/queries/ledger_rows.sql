-- All ledger rows, or those of one migration, oldest first; one that was resolved has several.
SELECT id, migration_name, checksum, started_at, finished_at, rolled_back_at,
       coalesce(logs, '') AS logs, applied_steps_count
FROM {}
WHERE %(name)s::text IN ('', migration_name)
ORDER BY started_at, finished_at
