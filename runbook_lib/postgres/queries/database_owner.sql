-- Whose a database is, and how a copy of it costs no WAL where that can be chosen.
SELECT pg_get_userbyid(datdba) AS owner,
       CASE WHEN current_setting('server_version_num')::int >= 150000 THEN 'STRATEGY FILE_COPY' ELSE '' END AS strategy
FROM pg_catalog.pg_database
WHERE datname = %(dbname)s
