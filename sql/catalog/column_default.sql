-- What a column holds where nobody wrote anything; a generated one holds nothing of its own.
SELECT a.attgenerated <> '' AS generated, pg_get_expr(d.adbin, d.adrelid) AS expression
FROM pg_attribute a
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %(table)s::regclass AND quote_ident(a.attname) = %(column)s AND NOT a.attisdropped
