-- What an index build may use: shown, so that the timings can be understood.
-- name: memory settings
-- severity: info
-- expect: no rows
-- remedy: Nothing to do; a larger maintenance_work_mem makes index builds quicker.
SELECT name || ' = ' || current_setting(name) AS setting
FROM pg_catalog.pg_settings
WHERE name IN ('work_mem', 'maintenance_work_mem', 'max_parallel_maintenance_workers')
ORDER BY 1
