-- What a unique or excluding index compares: its expressions, by which operators, the rows it is limited to, whether two NULLs are equal (15 and newer).
-- ``calls``: a superuser would run functions of the database by asking it.
SELECT n.nspname AS schema, c.relname AS "table",
       ARRAY(SELECT pg_get_indexdef(x.indexrelid, place, true) FROM generate_series(1, x.indnkeyatts) AS place) AS keys,
       ARRAY(SELECT 'OPERATOR(' || quote_ident(s.nspname) || '.' || o.oprname || ')'
             FROM pg_constraint k
             CROSS JOIN unnest(k.conexclop) WITH ORDINALITY AS one (oid, place)
             JOIN pg_operator o ON o.oid = one.oid
             JOIN pg_namespace s ON s.oid = o.oprnamespace
             WHERE k.conindid = x.indexrelid AND k.contype = 'x' ORDER BY one.place) AS operators,
       coalesce(pg_get_expr(x.indpred, x.indrelid), 'true') AS condition,
       coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_equal,
       current_setting('is_superuser') = 'on'
       AND EXISTS (SELECT FROM pg_depend d
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid
                     AND d.refclassid = 'pg_proc'::regclass) AS calls
FROM pg_index x
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.indexrelid = %(oid)s
