-- The locks this session holds on relations that were there before, and what became of the tables named.
SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal,
       (SELECT jsonb_object_agg(oid, modes)
        FROM (SELECT relation AS oid, array_agg(DISTINCT mode) AS modes
              FROM pg_locks
              WHERE pid = pg_backend_pid() AND locktype = 'relation'
                AND relation BETWEEN 16384 AND %(newest)s::oid
              GROUP BY relation) AS held) AS locks,
       (SELECT jsonb_object_agg(oid, jsonb_build_array(pg_relation_filenode(oid::regclass), pg_total_relation_size(oid::regclass),
                                                       pg_stat_get_xact_tuples_returned(oid)))
        FROM unnest(%(touched)s::oid[]) AS oid) AS tables
