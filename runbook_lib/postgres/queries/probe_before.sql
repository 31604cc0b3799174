-- What a statement is about to change, of the tables it names; sizes in bytes.
SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal,
       (SELECT pg_catalog.jsonb_object_agg(oid, pg_catalog.jsonb_build_array(pg_catalog.pg_relation_filenode(oid::regclass), pg_catalog.pg_total_relation_size(oid::regclass),
                                                       pg_catalog.pg_stat_get_xact_tuples_returned(oid)))
        FROM pg_catalog.unnest(%(tables)s::oid[]) AS oid) AS tables
