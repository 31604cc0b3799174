-- A slot that nobody reads keeps all WAL, and the release writes much of it.
-- name: inactive replication slots
-- severity: warning
-- expect: no rows
-- remedy: Start its consumer, or remove it with SELECT pg_drop_replication_slot(name).
-- seen: SELECT count(*) || ' replication slots, none inactive' FROM
--     pg_catalog.pg_replication_slots
SELECT slot_name || ' keeps ' || pg_size_pretty(pg_wal_lsn_diff(
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
           restart_lsn)) AS slot
FROM pg_catalog.pg_replication_slots
WHERE NOT active AND NOT temporary AND restart_lsn IS NOT NULL
ORDER BY 1
