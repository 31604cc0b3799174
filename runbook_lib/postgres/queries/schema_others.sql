-- What else makes a schema: schemas, extensions, triggers, policies, rules, extended statistics.
SELECT format('schema %I', nspname) AS key, format('pg_namespace/%s/0', oid) AS address, coalesce(obj_description(oid, 'pg_namespace'), '') AS definition
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
UNION ALL
SELECT format('extension %I', extname), format('pg_extension/%s/0', oid), extversion
FROM pg_extension
UNION ALL
SELECT format('trigger %I.%I.%I', n.nspname, c.relname, t.tgname), format('pg_trigger/%s/0', t.oid),
       concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled::text, obj_description(t.oid, 'pg_trigger'))
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND n.nspname !~ '^pg_'
UNION ALL
SELECT format('policy %I.%I.%I', n.nspname, c.relname, p.polname), format('pg_policy/%s/0', p.oid),
       concat_ws(' ', p.polcmd::text, CASE WHEN NOT p.polpermissive THEN 'restrictive' END,
                 (SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_roles WHERE oid = ANY(p.polroles)),
                 pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy p
JOIN pg_class c ON c.oid = p.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT format('rule %I.%I.%I', n.nspname, c.relname, r.rulename), format('pg_rewrite/%s/0', r.oid), pg_get_ruledef(r.oid)
FROM pg_rewrite r
JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT format('statistics %I.%I', n.nspname, s.stxname), format('pg_statistic_ext/%s/0', s.oid), pg_get_statisticsobjdef(s.oid)
FROM pg_statistic_ext s
JOIN pg_namespace n ON n.oid = s.stxnamespace
UNION ALL
-- The kinds that few schemas have, each as its own drop would name it.
SELECT format('%s %s', named.type, named.identity), format('%s/%s/0', object.class, object.oid),
       coalesce(obj_description(object.oid, object.class::regclass::text), '')
FROM (SELECT 'pg_collation' AS class, oid FROM pg_collation
      UNION ALL SELECT 'pg_operator', oid FROM pg_operator
      UNION ALL SELECT 'pg_opclass', oid FROM pg_opclass
      UNION ALL SELECT 'pg_opfamily', oid FROM pg_opfamily
      UNION ALL SELECT 'pg_cast', oid FROM pg_cast
      UNION ALL SELECT 'pg_conversion', oid FROM pg_conversion
      UNION ALL SELECT 'pg_ts_config', oid FROM pg_ts_config
      UNION ALL SELECT 'pg_ts_dict', oid FROM pg_ts_dict
      UNION ALL SELECT 'pg_foreign_server', oid FROM pg_foreign_server
      UNION ALL SELECT 'pg_foreign_data_wrapper', oid FROM pg_foreign_data_wrapper
      UNION ALL SELECT 'pg_publication', oid FROM pg_publication
      UNION ALL SELECT 'pg_event_trigger', oid FROM pg_event_trigger) AS object
CROSS JOIN pg_identify_object(object.class::regclass, object.oid, 0) AS named
WHERE object.oid >= 16384
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = object.class::regclass AND d.objid = object.oid AND d.deptype = 'e')
