-- What the hazard rules ask of each table: rows as last estimated (-1: never), bytes, columns, those that are not null, indexes.
SELECT n.nspname AS schema, c.relname AS name, c.reltuples::bigint AS rows,
       pg_total_relation_size(c.oid) AS size, c.relkind = 'p' AS parted, c.relpersistence = 'u' AS unlogged,
       coalesce((SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
                (SELECT s.spcname FROM pg_tablespace s JOIN pg_database d ON d.dattablespace = s.oid
                 WHERE d.datname = current_database())) AS tablespace,
       coalesce((SELECT amname FROM pg_am WHERE oid = c.relam), '') AS method,
       coalesce(pg_get_partkeydef(c.oid), '') AS key,
       coalesce((SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod))
                 FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}') AS columns,
       coalesce((SELECT jsonb_agg(a.attname)
                 FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped), '[]') AS not_null,
       coalesce((SELECT jsonb_agg((SELECT jsonb_agg(coalesce(a.attname, '') ORDER BY k.place)
                                   FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
                                   LEFT JOIN pg_attribute a
                                     ON a.attrelid = c.oid AND a.attnum = k.number AND k.number > 0))
                 FROM pg_index i
                 WHERE i.indrelid = c.oid AND i.indisvalid
                   -- Of the rest of the rows a partial one knows nothing.
                   AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = (
                       SELECT format('(%I IS NOT NULL)', a.attname) FROM pg_attribute a
                       WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0]))), '[]') AS indexes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
