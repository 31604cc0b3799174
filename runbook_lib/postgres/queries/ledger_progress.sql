-- Count the units of a file that are committed; the last one finishes the row.
UPDATE {}
SET applied_steps_count = %(steps)s, finished_at = CASE WHEN %(finished)s::boolean THEN pg_catalog.clock_timestamp() END, logs = %(logs)s
WHERE id = %(id)s
