-- Mark migrations as rolled back, as prisma migrate resolve --rolled-back does with a failed one.
UPDATE {} SET rolled_back_at = pg_catalog.clock_timestamp()
WHERE migration_name = ANY(%(names)s) AND rolled_back_at IS NULL
