-- Take the block of failed migrations away, on a rehearsal's copy.
UPDATE {} SET rolled_back_at = pg_catalog.clock_timestamp()
WHERE finished_at IS NULL AND rolled_back_at IS NULL
