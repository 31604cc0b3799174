-- The columns of an enum's type, or of arrays of it, and their defaults, in tables that hold their own rows.
SELECT format('%%I.%%I', n.nspname, c.relname) AS "table", quote_ident(a.attname) AS "column", a.atttypid = t.typarray AS many,
       pg_get_expr(d.adbin, d.adrelid) AS "default"
FROM pg_type t
JOIN pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND NOT a.attisdropped
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT (c.relispartition)
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE t.oid = %(type)s::regtype
ORDER BY 1, 2
