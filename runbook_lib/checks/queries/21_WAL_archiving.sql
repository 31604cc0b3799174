-- While archiving fails, WAL stays on the server's disk and the last archive grows old.
-- name: WAL archiving
-- severity: warning
-- expect: no rows
-- remedy: Look at the server's log and mend archive_command or archive_library.
-- seen: SELECT 'archive_mode is ' || current_setting('archive_mode') || ', ' || archived_count ||
--     ' files archived, ' || failed_count || ' failures' FROM pg_catalog.pg_stat_archiver
SELECT failed_count || ' failures, the last of ' || last_failed_wal AS archiver
FROM pg_catalog.pg_stat_archiver
WHERE current_setting('archive_mode') <> 'off'
  AND last_failed_time > coalesce(last_archived_time, '-infinity')
