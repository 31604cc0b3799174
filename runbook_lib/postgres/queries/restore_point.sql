-- Mark the WAL by name, so that a recovery can end there; the position of the mark.
SELECT pg_create_restore_point(%(name)s)::text
