-- What the hazard rules ask of each table: rows as last estimated (-1: never), bytes, columns, indexes.
SELECT n.nspname AS schema, c.relname AS name, c.reltuples::bigint AS rows,
       pg_total_relation_size(c.oid) AS size,
       coalesce((SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod))
                 FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}') AS columns,
       coalesce((SELECT jsonb_agg((SELECT jsonb_agg(coalesce(a.attname, '') ORDER BY k.place)
                                   FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
                                   LEFT JOIN pg_attribute a
                                     ON a.attrelid = c.oid AND a.attnum = k.number AND k.number > 0))
                 FROM pg_index i
                 WHERE i.indrelid = c.oid AND i.indisvalid), '[]') AS indexes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
