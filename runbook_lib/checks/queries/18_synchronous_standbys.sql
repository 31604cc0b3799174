-- While no synchronous standby is connected, every COMMIT of the release hangs.
-- name: synchronous standbys
-- severity: error
-- expect: no rows
-- remedy: Start the standby, or take it out of synchronous_standby_names and reload.
-- seen: SELECT CASE current_setting('synchronous_standby_names') WHEN '' THEN 'no synchronous
--     standby is asked for' ELSE count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) || '
--     connected' END FROM pg_catalog.pg_stat_replication
SELECT CASE WHEN hidden = 0 THEN names || ' is not connected' END AS standby,
       CASE WHEN hidden > 0 THEN 'whether ' || names || ' is connected is hidden' END AS not_measured
FROM current_setting('synchronous_standby_names') AS names,
     (SELECT count(*) FILTER (WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')),
             count(*) FILTER (WHERE state IS NULL)
      FROM pg_catalog.pg_stat_replication) AS standbys (connected, hidden)
WHERE names <> '' AND connected = 0
  AND current_setting('synchronous_commit') NOT IN ('off', 'local')
