-- How far pg_dump is: the tables that are copied out of this database now (manual, 27.4.3).
SELECT relid::bigint AS relid, tuples_processed::float8 AS rows
FROM pg_stat_progress_copy
WHERE datname = current_database() AND command = 'COPY TO' AND relid <> 0
