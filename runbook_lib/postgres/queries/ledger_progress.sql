-- Count the units of a file that are committed; the last one finishes the row.
UPDATE public._prisma_migrations
SET applied_steps_count = %(steps)s, finished_at = %(finished_at)s, logs = %(logs)s
WHERE id = %(id)s
