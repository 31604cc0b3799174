-- Take the block of failed migrations away, on a rehearsal's copy.
UPDATE _prisma_migrations SET rolled_back_at = clock_timestamp()
WHERE finished_at IS NULL AND rolled_back_at IS NULL
