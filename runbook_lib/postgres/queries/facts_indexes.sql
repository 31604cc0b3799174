-- The indexes of the target: table, columns ("" for an expression), whether a predicate limits them.
SELECT n.nspname || '.' || i.relname AS name, tn.nspname || '.' || t.relname AS "table",
       (SELECT pg_catalog.jsonb_agg(coalesce(a.attname, '') ORDER BY k.place)
        FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k (number, place)
        LEFT JOIN pg_catalog.pg_attribute a
          ON a.attrelid = t.oid AND a.attnum = k.number AND k.number > 0) AS columns,
       (SELECT pg_catalog.jsonb_agg(DISTINCT a.attname)
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.oid
          AND d.refobjid = t.oid AND d.refobjsubid > 0 AND (x.indpred IS NOT NULL OR x.indexprs IS NOT NULL)) AS computed
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND t.relkind IN ('r', 'p', 'm')
