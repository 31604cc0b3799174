-- Name this transaction's snapshot for pg_dump.
SELECT pg_export_snapshot() AS snapshot
