-- What a unique index compares: its expressions, the rows it is limited to, whether two NULLs are equal (15 and newer).
SELECT n.nspname AS schema, c.relname AS "table",
       ARRAY(SELECT pg_get_indexdef(x.indexrelid, place, true) FROM generate_series(1, x.indnkeyatts) AS place) AS keys,
       coalesce(pg_get_expr(x.indpred, x.indrelid), 'true') AS condition,
       coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_equal
FROM pg_index x
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.indexrelid = %(oid)s
