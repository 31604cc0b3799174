-- Columns, with their place in the row as a reader sees it (dropped columns not counted).
-- A default of NULL is none: pg_dump writes it for a partition that lacks its parent's default.
SELECT format('column %I.%I.%I', n.nspname, c.relname, a.attname) AS key,
       format('pg_class/%s/%s', c.oid, a.attnum) AS address,
       concat_ws(' ',
                 row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum),
                 format_type(a.atttypid, a.atttypmod),
                 CASE WHEN a.attnotnull THEN 'not null' END,
                 'default ' || CASE WHEN left(written.expression, 4) <> 'NULL' OR written.expression !~ '^NULL(::[\w .",()\[\]]+)?$' THEN written.expression END,
                 nullif(a.attidentity::text, ''), nullif(a.attgenerated::text, ''),
                 CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
                 CASE WHEN NOT a.attislocal AND NOT c.relispartition THEN 'inherited' END,
                 col_description(a.attrelid, a.attnum)) AS definition
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN LATERAL (SELECT pg_get_expr(d.adbin, d.adrelid) AS expression OFFSET 0) AS written ON true
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND c.relname <> '_prisma_migrations'
  AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
