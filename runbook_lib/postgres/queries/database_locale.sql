-- Whose locale this database has: of the C library where the server is older than the other providers.
SELECT coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider, d.datcollate AS locale
FROM pg_catalog.pg_database d
WHERE d.datname = current_database()
