-- How big the database is, in bytes, and where the server keeps it (superusers only).
SELECT pg_database_size(current_database()) AS size, current_setting('is_superuser') = 'on' AS superuser,
       CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS directory
