-- What a constraint, an index or a partition asks of a table's rows, as the server writes it; and the table's primary key.
-- ``calls``: a superuser would run functions of the database by asking it.
SELECT n.nspname AS schema, c.relname AS "table",
       ARRAY(SELECT a.attname
             FROM pg_catalog.pg_index p
             CROSS JOIN generate_series(0, p.indnkeyatts - 1) AS place
             JOIN pg_catalog.pg_attribute a ON a.attrelid = p.indrelid AND a.attnum = p.indkey[place]
             WHERE p.indrelid = c.oid AND p.indisprimary ORDER BY place)::text[] AS row_key,
       (SELECT x.indexrelid::bigint
        FROM pg_catalog.pg_index x
        JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
        WHERE x.indrelid = c.oid AND i.relname = %(constraint)s) AS index,
       CASE WHEN %(constraint)s = '' THEN pg_catalog.pg_get_partition_constraintdef(c.oid)
            ELSE pg_catalog.pg_get_expr(k.conbin, c.oid) END AS condition,
       ARRAY(SELECT a.attname
             FROM unnest(k.conkey) WITH ORDINALITY AS key (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.number
             ORDER BY key.place)::text[] AS columns,
       (SELECT ARRAY[rn.nspname, r.relname]::text[]
        FROM pg_catalog.pg_class r
        JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
        WHERE r.oid = k.confrelid) AS target,
       ARRAY(SELECT a.attname
             FROM unnest(k.confkey) WITH ORDINALITY AS key (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = key.number
             ORDER BY key.place)::text[] AS target_columns,
       pg_catalog.current_setting('is_superuser') = 'on'
       AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                   WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = k.oid
                     AND d.refclassid = 'pg_catalog.pg_proc'::regclass) AS calls
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.conname = %(constraint)s
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND c.relkind IN ('r', 'p')
