-- With wal_level = minimal there is neither a standby nor point-in-time recovery to fall back on.
-- name: wal_level
-- severity: warning
-- expect: no rows
-- remedy: Set wal_level = replica and restart, to be able to go back to a moment in time.
-- seen: SELECT 'wal_level is ' || current_setting('wal_level')
SELECT 'wal_level is minimal' AS setting
WHERE current_setting('wal_level') = 'minimal'
