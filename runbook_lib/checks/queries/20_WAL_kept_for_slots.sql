-- With no limit, a slot that stops in the middle of the release fills the server's disk.
-- name: WAL kept for slots
-- severity: warning
-- expect: no rows
-- remedy: Set max_slot_wal_keep_size to what the disk can spare.
-- seen: SELECT count(*) || ' replication slots, max_slot_wal_keep_size is ' ||
--     current_setting('max_slot_wal_keep_size') FROM pg_catalog.pg_replication_slots WHERE NOT
--     temporary
SELECT count(*) || ' slots, max_slot_wal_keep_size is -1' AS slots
FROM pg_catalog.pg_replication_slots
WHERE NOT temporary AND current_setting('max_slot_wal_keep_size') = '-1'
HAVING count(*) > 0
