-- What a column that was added holds where nobody wrote anything; a generated one holds nothing of its own. The server
-- keeps the default of the rows that were there (PostgreSQL manual, pg_attribute, attmissingval); evaluating it would
-- take numbers from a sequence.
SELECT a.attgenerated <> '' AS generated, (a.attmissingval::text::text[])[1] AS missing,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type
FROM pg_attribute a
WHERE a.attrelid = %(table)s::regclass AND quote_ident(a.attname) = %(column)s AND NOT a.attisdropped
