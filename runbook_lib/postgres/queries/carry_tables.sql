-- The ordinary tables, with what it takes to copy rows into them: key and columns, quoted, generated ones left out.
SELECT format('%I.%I', n.nspname, c.relname) AS name, n.nspname AS schema, c.relname AS table,
       (SELECT array_agg(quote_ident(a.attname) ORDER BY place)
        FROM pg_index i
        CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS key (number, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.number
        WHERE i.indrelid = c.oid AND i.indisprimary) AS key,
       (SELECT array_agg(quote_ident(a.attname) ORDER BY a.attnum)
        FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns,
       -- Of a type that is PostgreSQL's own a value is the same in every database.
       (SELECT jsonb_object_agg(quote_ident(a.attname), jsonb_build_object('type', format_type(a.atttypid, a.atttypmod),
                                                                           'own', a.atttypid < 16384))
        FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS types,
       EXISTS (SELECT FROM pg_trigger t
               WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 4 <> 0) AS fires
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relname <> '_prisma_migrations'
ORDER BY 1
