-- One ledger row. A baseline is written as `prisma migrate resolve --applied` writes it: started when it was finished.
INSERT INTO {}
    (id, checksum, migration_name, logs, started_at, finished_at, applied_steps_count)
SELECT %(id)s, %(checksum)s, %(name)s, %(logs)s, coalesce(%(started_at)s::timestamptz, moment),
       CASE WHEN %(finished)s::boolean THEN moment END, %(steps)s
FROM pg_catalog.clock_timestamp() AS moment
