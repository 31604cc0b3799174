-- What else makes a schema: schemas, extensions, triggers, row security policies.
SELECT format('schema %I', nspname) AS key, coalesce(obj_description(oid, 'pg_namespace'), '') AS definition
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
UNION ALL
SELECT format('extension %I', extname), extversion
FROM pg_extension
UNION ALL
SELECT format('trigger %I.%I.%I', n.nspname, c.relname, t.tgname), pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND n.nspname !~ '^pg_'
UNION ALL
SELECT format('policy %I.%I.%I', n.nspname, c.relname, p.polname),
       concat_ws(' ', p.polcmd::text, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy p
JOIN pg_class c ON c.oid = p.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
