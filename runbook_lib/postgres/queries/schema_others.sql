-- What else makes a schema: schemas, extensions, triggers, policies, rules, extended statistics.
SELECT format('schema %I', nspname) AS key, format('pg_namespace/%s/0', oid) AS address, coalesce(obj_description(oid, 'pg_namespace'), '') AS definition
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
UNION ALL
SELECT format('extension %I', extname), format('pg_extension/%s/0', oid), 
       concat_ws(' ', extversion, 'in', extnamespace::regnamespace,
                 -- Tables of an extension whose rows are the user's.
                 (SELECT string_agg(format('%s %s', config::regclass, condition), ', ' ORDER BY config::regclass::text)
                  FROM unnest(extconfig, extcondition) AS configuration (config, condition)))
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
