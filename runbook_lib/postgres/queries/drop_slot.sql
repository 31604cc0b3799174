-- Drop a replication slot, whoever reads it: a subscriber that a release made.
SELECT pg_terminate_backend(active_pid, 5000), pg_drop_replication_slot(slot_name)
FROM pg_catalog.pg_replication_slots
WHERE slot_name = %(name)s
