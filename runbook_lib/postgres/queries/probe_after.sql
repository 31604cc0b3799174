-- The locks this session holds on relations that were there before, and what became of the tables named.
SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal,
       (SELECT pg_catalog.jsonb_object_agg(oid, modes)
        FROM (SELECT relation AS oid, pg_catalog.array_agg(DISTINCT mode) AS modes
              FROM pg_catalog.pg_lock_status()  -- what the view pg_locks reads, which may be closed to the role
              WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation'
                AND relation BETWEEN 16384 AND %(newest)s::oid
              GROUP BY relation) AS held) AS locks,
       (SELECT pg_catalog.jsonb_object_agg(oid, pg_catalog.jsonb_build_array(pg_catalog.pg_relation_filenode(oid::regclass), pg_catalog.pg_total_relation_size(oid::regclass),
                                                       pg_catalog.pg_stat_get_xact_tuples_returned(oid)))
        FROM pg_catalog.unnest(%(touched)s::oid[]) AS oid) AS tables
