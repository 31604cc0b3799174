-- What these sessions do at this moment; the text of a query may hold data, and is shown without its values.
SELECT a.pid, coalesce(a.application_name, '') AS application, coalesce(a.state, '') AS state, coalesce(a.query, '') AS query,
       extract(epoch FROM clock_timestamp() - a.state_change)::float AS age
FROM pg_stat_activity a
WHERE a.pid = ANY (%(pids)s::int[])
ORDER BY a.pid
