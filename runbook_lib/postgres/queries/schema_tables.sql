-- Tables, views and sequences, each with what defines it besides its columns.
SELECT format('%s %I.%I',
              CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table'
                             WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                             WHEN 'S' THEN 'sequence' ELSE 'foreign table' END,
              n.nspname, c.relname) AS key,
       format('pg_class/%s/0', c.oid) AS address,
       concat_ws(' ',
                 CASE WHEN c.relpersistence = 'u' THEN 'unlogged' END,
                 CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
                 CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
                 CASE WHEN c.relispartition THEN (SELECT format('partition of %s', inhparent::regclass) FROM pg_inherits WHERE inhrelid = c.oid) END,
                 pg_get_expr(c.relpartbound, c.oid),
                 CASE WHEN c.relam NOT IN (0, (SELECT oid FROM pg_am WHERE amname = 'heap')) THEN (SELECT 'in the manner of ' || amname FROM pg_am a WHERE a.oid = c.relam) END,
                 CASE WHEN c.relkind = 'f' THEN (SELECT 'of the server ' || srvname FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid) END,
                 CASE WHEN c.relrowsecurity THEN 'row security' END,
                 CASE WHEN c.relforcerowsecurity THEN 'forced on the owner' END,
                 CASE WHEN c.relkind IN ('r', 'p', 'm') AND c.relreplident <> 'd'
                      THEN 'replica identity ' || c.relreplident::text END,
                 (SELECT format('%s from %s by %s between %s and %s cache %s cycle %s',
                                format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin,
                                s.seqmax, s.seqcache, s.seqcycle)
                  FROM pg_sequence s WHERE s.seqrelid = c.oid),
                 CASE WHEN c.reloptions IS NOT NULL THEN (SELECT string_agg(option, ',' ORDER BY option) FROM unnest(c.reloptions) AS option) END,
                 obj_description(c.oid, 'pg_class')) AS definition
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND c.relname <> '_prisma_migrations'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
