-- How many sessions there are against max_connections, in percent, and the longest query in milliseconds, unless those of other roles are hidden.
SELECT round(100.0 * count(*) FILTER (WHERE backend_type = 'client backend' OR hidden) / current_setting('max_connections')::int, 1)::float AS connection_pool,
       CASE WHEN NOT bool_or(hidden)
            THEN coalesce(max(extract(epoch FROM clock_timestamp() - query_start) * 1000)
                          FILTER (WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()), 0)::float END AS longest_query
FROM pg_stat_activity
CROSS JOIN LATERAL (SELECT usesysid IS NOT NULL AND backend_type IS NULL AS hidden) AS each
