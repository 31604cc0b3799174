-- What belongs to this database, or names it, on the server: it stays with the old one when another takes its name.
SELECT format('replication slot %s', slot_name) AS what
FROM pg_catalog.pg_replication_slots
WHERE database = current_database() AND NOT temporary
UNION ALL
SELECT format('subscription %s', subname)
FROM pg_catalog.pg_subscription
JOIN pg_catalog.pg_database d ON d.oid = subdbid
WHERE d.datname = current_database()
UNION ALL
-- The jobs of pg_cron, where it is here: a query of its own, for elsewhere the table cannot be named.
SELECT format('job %s of pg_cron', unnest(xpath('//jobid/text()', jobs))::text)
FROM (SELECT CASE WHEN to_regclass('cron.job') IS NOT NULL
                  THEN query_to_xml('SELECT jobid FROM cron.job WHERE database = current_database()', false, false, '') END AS jobs) AS cron
WHERE jobs IS NOT NULL
ORDER BY 1
