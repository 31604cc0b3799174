-- What DROP ... CASCADE takes along: which table or view holds something that depends on what.
-- What is used is a relation (one column of it, or "" for the whole), a type, a function, a sequence, statistics, a schema.
SELECT DISTINCT kind, name, "column", how, by FROM (
    SELECT CASE r.relkind WHEN 'S' THEN 'sequence' ELSE 'relation' END AS kind,
           rn.nspname || '.' || r.relname AS name, coalesce(a.attname, '') AS "column",
           'view' AS how, vn.nspname || '.' || v.relname AS by
    FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
    JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
         AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid
    JOIN pg_catalog.pg_class r ON r.oid = d.refobjid
    JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
    UNION ALL
    SELECT 'sequence', rn.nspname || '.' || r.relname, '', 'default', tn.nspname || '.' || t.relname
    FROM pg_catalog.pg_attrdef f
    JOIN pg_catalog.pg_class t ON t.oid = f.adrelid
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid
         AND d.refclassid = 'pg_catalog.pg_class'::regclass
    JOIN pg_catalog.pg_class r ON r.oid = d.refobjid AND r.relkind = 'S'
    JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
    UNION ALL
    SELECT 'function', pn.nspname || '.' || p.proname, '', 'trigger', tn.nspname || '.' || t.relname
    FROM pg_catalog.pg_trigger g
    JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
    JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
    JOIN pg_catalog.pg_class t ON t.oid = g.tgrelid
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    WHERE NOT g.tgisinternal
    UNION ALL
    SELECT 'type', yn.nspname || '.' || y.typname, '', CASE WHEN c.reloftype = y.oid THEN 'of' ELSE 'column' END,
           cn.nspname || '.' || c.relname
    FROM pg_catalog.pg_type y
    JOIN pg_catalog.pg_namespace yn ON yn.oid = y.typnamespace
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid = y.oid
         AND d.classid = 'pg_catalog.pg_class'::regclass
    JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'm', 'f')
    JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
    UNION ALL
    SELECT 'statistics', sn.nspname || '.' || s.stxname, '', 'statistics', tn.nspname || '.' || t.relname
    FROM pg_catalog.pg_statistic_ext s
    JOIN pg_catalog.pg_namespace sn ON sn.oid = s.stxnamespace
    JOIN pg_catalog.pg_class t ON t.oid = s.stxrelid
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    UNION ALL
    SELECT 'schema', n.nspname, '', 'relation', n.nspname || '.' || c.relname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f')
) AS uses
WHERE name !~ '^pg_catalog\.' AND by !~ '^(pg_|information_schema\.)'
