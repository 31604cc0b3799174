-- The tables with what identifies them (the oid, not the name), their rows' files, whether rows were changed or deleted, columns and keys.
-- A column is plain where a hash of its values is the same in every database; built in where its casts are PostgreSQL's own;
-- altered where that was done since a transaction.
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS parted,
       coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid)::bigint AS root,
       c.relfilenode::bigint AS file, pg_catalog.pg_relation_size(c.oid) AS size,
       pg_catalog.pg_stat_get_tuples_updated(c.oid) + pg_catalog.pg_stat_get_tuples_deleted(c.oid) AS touched,
       pg_catalog.pg_stat_get_tuples_deleted(c.oid) AS deleted, pg_catalog.pg_stat_get_tuples_inserted(c.oid) AS inserted,
       coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'number', a.attnum, 'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                            'plain', a.atttypid = ANY ('{bool, int2, int4, int8, numeric, float4, float8, text, varchar, uuid, bytea, jsonb,
                                                         date, time, timetz, timestamp, timestamptz, interval, inet}'::regtype[]),
                            'altered', coalesce(age(a.xmin) <= age(%(since)s::xid), false),
                            'built_in', t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b',
                            'attributes', (SELECT coalesce(pg_catalog.jsonb_agg(of.attnum), '[]')
                                           FROM pg_catalog.pg_type e
                                           JOIN pg_catalog.pg_attribute of ON of.attrelid = e.typrelid
                                           WHERE e.oid IN (t.oid, t.typelem) AND of.attnum > 0 AND NOT of.attisdropped)) ORDER BY a.attnum)
                 FROM pg_catalog.pg_attribute a
                 JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns,
       coalesce((SELECT (i.indkey::int2[])[:i.indnkeyatts - 1]  -- it counts from 0
                 FROM pg_catalog.pg_index i
                 WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                   AND i.indpred IS NULL AND i.indexprs IS NULL
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                   WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
                 ORDER BY NOT i.indisprimary, i.indnkeyatts, i.indexrelid LIMIT 1), '{}') AS key
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.relname <> '_prisma_migrations'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1
