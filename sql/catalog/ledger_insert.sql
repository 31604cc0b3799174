-- One ledger row. A baseline is written as `prisma migrate resolve --applied` writes it.
INSERT INTO public._prisma_migrations
    (id, checksum, migration_name, logs, started_at, finished_at, applied_steps_count)
VALUES (%(id)s, %(checksum)s, %(name)s, %(logs)s, %(started_at)s, %(finished_at)s, %(steps)s)
