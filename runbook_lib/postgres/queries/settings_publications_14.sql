-- What a publication holds before PostgreSQL 15: tables alone.
SELECT format('%I.%I', nspname, relname) AS what, format('pg_publication/%s/0', p.oid) AS address,
       format('ALTER PUBLICATION %I ADD TABLE %I.%I', pubname, nspname, relname) AS back,
       format('ALTER PUBLICATION %I DROP TABLE %I.%I', pubname, nspname, relname) AS away
FROM pg_publication_rel
JOIN pg_publication p ON p.oid = prpubid
JOIN pg_class c ON c.oid = prrelid
JOIN pg_namespace n ON n.oid = relnamespace
ORDER BY address, what
