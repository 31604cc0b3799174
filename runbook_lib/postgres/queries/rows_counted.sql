-- Whether the counts of written rows are exact: they are in shared memory, and whoever wrote has ended.
SELECT current_setting('server_version_num')::int >= 150000
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
                       WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()) AS counted
