-- Indexes; one that is not valid or not ready is another schema than one that is.
SELECT format('index %I.%I.%I', n.nspname, t.relname, i.relname) AS key,
       format('pg_class/%s/0', i.oid) AS address,
       concat_ws(' ', pg_get_indexdef(x.indexrelid),
                 CASE WHEN NOT x.indisvalid THEN 'invalid' END,
                 CASE WHEN NOT x.indisready THEN 'not ready' END,
                 CASE WHEN i.relispartition THEN (SELECT format('part of %s', inhparent::regclass) FROM pg_inherits WHERE inhrelid = i.oid) END,
                 obj_description(i.oid, 'pg_class')) AS definition
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND t.relname <> '_prisma_migrations'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e')
