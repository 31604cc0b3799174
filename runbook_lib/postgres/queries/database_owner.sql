-- Whose a database is.
SELECT pg_get_userbyid(datdba) AS owner
FROM pg_catalog.pg_database
WHERE datname = %(dbname)s
