-- Name this transaction's snapshot for pg_dump, and the WAL position it stands at.
SELECT pg_export_snapshot() AS snapshot,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS lsn
