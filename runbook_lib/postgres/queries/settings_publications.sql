-- What a publication holds, since PostgreSQL 15.
SELECT format('%I.%I', nspname, relname) AS what, format('pg_publication/%s/0', p.oid) AS address,
       format('ALTER PUBLICATION %I ADD TABLE %I.%I%s%s', pubname, nspname, relname,
              (SELECT format(' (%s)', string_agg(quote_ident(attname), ', ' ORDER BY attnum)) FROM pg_attribute WHERE attrelid = prrelid AND attnum = ANY (prattrs) HAVING count(*) > 0),
              ' WHERE (' || pg_get_expr(prqual, prrelid) || ')') AS back,
       format('ALTER PUBLICATION %I DROP TABLE %I.%I', pubname, nspname, relname) AS away
FROM pg_publication_rel
JOIN pg_publication p ON p.oid = prpubid
JOIN pg_class c ON c.oid = prrelid
JOIN pg_namespace n ON n.oid = relnamespace
UNION ALL
SELECT format('tables of %I', nspname), format('pg_publication/%s/0', p.oid), format('ALTER PUBLICATION %I ADD TABLES IN SCHEMA %I', pubname, nspname),
       format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA %I', pubname, nspname)
FROM pg_publication_namespace
JOIN pg_publication p ON p.oid = pnpubid
JOIN pg_namespace n ON n.oid = pnnspid
ORDER BY address, what
