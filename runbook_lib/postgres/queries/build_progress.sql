-- How far concurrent index builds are; index_relid is 0 until the index is in the catalog (manual, 27.4).
SELECT p.pid, p.index_relid, p.relid, p.phase, p.blocks_total, p.blocks_done, p.tuples_total, p.tuples_done,
       p.current_locker_pid AS locker
FROM pg_stat_progress_create_index p
WHERE p.datname = current_database() AND p.command LIKE '%% CONCURRENTLY'
