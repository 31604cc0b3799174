-- How many bytes a value of each column takes on average, as last analyzed; of an index on them that is what matters.
SELECT schemaname || '.' || tablename AS "table", attname AS "column", max(avg_width) AS width
FROM pg_catalog.pg_stats
WHERE schemaname || '.' || tablename = ANY (%(tables)s)
GROUP BY 1, 2
