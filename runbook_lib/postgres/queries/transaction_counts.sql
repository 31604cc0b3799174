-- What the transaction that is open did to these tables: rows inserted, deleted and changed; a shape that is another
-- where their rows lie in a new file or a column was dropped, and null where a table is gone.
SELECT t.oid::bigint AS oid,
       coalesce(pg_catalog.pg_stat_get_xact_tuples_inserted(t.oid), 0) AS inserted,
       coalesce(pg_catalog.pg_stat_get_xact_tuples_deleted(t.oid), 0) AS deleted,
       coalesce(pg_catalog.pg_stat_get_xact_tuples_updated(t.oid), 0) AS updated,
       c.relfilenode || ' ' || (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a
                                WHERE a.attrelid = c.oid AND a.attisdropped) AS shape
FROM pg_catalog.unnest(%(tables)s::oid[]) AS t (oid)
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.oid
