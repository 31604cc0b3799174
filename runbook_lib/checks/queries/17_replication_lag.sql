-- A standby that lags falls further behind with every index build and rewrite.
-- name: replication lag
-- severity: warning
-- expect: no rows
-- remedy: Wait until the standby has caught up: the release writes WAL on top of what it is
--     behind.
-- seen: SELECT count(*) || ' standbys, limit ' || pg_size_pretty(%(replication_lag)s::bigint) || '
--     behind' FROM pg_catalog.pg_stat_replication
SELECT CASE WHEN state IS NOT NULL
            THEN coalesce(nullif(application_name, ''), 'pid ' || pid) || ' is '
                 || pg_size_pretty(behind) || ' behind' END AS standby,
       CASE WHEN state IS NULL THEN 'how far pid ' || pid || ' is behind is hidden' END AS not_measured
FROM pg_catalog.pg_stat_replication,
     LATERAL (SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(
         pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn, sent_lsn)) END) AS lag (behind)
WHERE state IS NULL
   OR state IN ('streaming', 'catchup')
      AND (behind > %(replication_lag)s OR replay_lag > interval '1 minute')
ORDER BY behind DESC
