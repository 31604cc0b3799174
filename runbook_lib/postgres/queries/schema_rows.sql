-- Of each catalog how many rows it has of the users' objects, those written since a look, and where they are asked for the oids of all.
-- A row is its oid, the oid of what it belongs to, its name, and what a change of it changes: xmin names who wrote it (manual, 5.5). What ANALYZE, VACUUM and TRUNCATE write into pg_class is left out.
-- The look is the number of the oldest transaction that was then under way. age() wraps as transaction ids do: what was written so long ago that it looks new is only read once more.
-- initdb made what is below 16384 (manual, OID Assignment). Columns are never deleted without their relation.
WITH asked (since) AS (
    SELECT %(since)s::bigint
), snapshot (oldest, next) AS (
    SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint FROM pg_current_snapshot() AS now
), look (back, oldest, next) AS (
    SELECT CASE WHEN next - since < 2000000000 THEN age(xid(since::text::xid8)) ELSE 2147483647 END, oldest, next
    FROM asked, snapshot
), schemas AS (
    SELECT oid, nspname, xmin AS written FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), catalogs (catalog, rows, written, oids) AS (
    SELECT 'schema', count(*),
           json_agg(json_build_array(oid, oid, nspname, written::text)) FILTER (WHERE age(written) <= back),
           array_agg(oid::text) FILTER (WHERE %(oids)s)
    FROM schemas, look
    UNION ALL
    SELECT 'relation', count(*),
           json_agg(json_build_array(c.oid, c.relnamespace, c.relname, concat_ws('/', c.relkind, c.relowner, c.relacl::text, c.reloptions::text, c.relrowsecurity))) FILTER (WHERE age(c.xmin) <= back),
           array_agg(c.oid::text) FILTER (WHERE %(oids)s)
    FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace, look
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'I', 'S') AND s.nspname || '.' || c.relname !~ '^public\._prisma_migrations'
    UNION ALL
    SELECT 'column', NULL, (
        SELECT json_agg(json_build_array(attrelid, attrelid, '', written)) FROM (
            SELECT attrelid, string_agg(xmin::text, ',' ORDER BY attnum) AS written FROM pg_attribute
            WHERE attnum > 0 AND attrelid IN (SELECT attrelid FROM pg_attribute WHERE attrelid >= 16384 AND age(xmin) <= back)
            GROUP BY attrelid
        ) columns
    ), NULL
    FROM look
    UNION ALL
    SELECT 'constraint', count(*),
           json_agg(json_build_array(oid, conrelid, '', xmin::text)) FILTER (WHERE age(xmin) <= back),
           array_agg(oid::text) FILTER (WHERE %(oids)s)
    FROM pg_constraint, look WHERE conrelid >= 16384
    UNION ALL
    SELECT 'trigger', count(*),
           json_agg(json_build_array(oid, tgrelid, '', xmin::text)) FILTER (WHERE age(xmin) <= back),
           array_agg(oid::text) FILTER (WHERE %(oids)s)
    FROM pg_trigger, look WHERE NOT tgisinternal
    UNION ALL
    SELECT 'rewrite rule', count(*),
           json_agg(json_build_array(oid, ev_class, '', xmin::text)) FILTER (WHERE age(xmin) <= back),
           array_agg(oid::text) FILTER (WHERE %(oids)s)
    FROM pg_rewrite, look WHERE ev_class >= 16384
    UNION ALL
    SELECT 'policy', count(*),
           json_agg(json_build_array(oid, polrelid, '', xmin::text)) FILTER (WHERE age(xmin) <= back),
           array_agg(oid::text) FILTER (WHERE %(oids)s)
    FROM pg_policy, look
    UNION ALL
    SELECT 'sequence', count(*),
           json_agg(json_build_array(seqrelid, seqrelid, '', xmin::text)) FILTER (WHERE age(xmin) <= back),
           array_agg(seqrelid::text) FILTER (WHERE %(oids)s)
    FROM pg_sequence, look
    UNION ALL
    SELECT 'type', count(*),
           json_agg(json_build_array(t.oid, t.typnamespace, t.typname, t.xmin::text)) FILTER (WHERE age(t.xmin) <= back),
           array_agg(t.oid::text) FILTER (WHERE %(oids)s)
    FROM pg_type t JOIN schemas s ON s.oid = t.typnamespace, look
    WHERE t.oid >= 16384 AND t.typtype IN ('e', 'd', 'r')
    UNION ALL
    SELECT 'enum value', count(*),
           json_agg(json_build_array(oid, enumtypid, '', xmin::text)) FILTER (WHERE age(xmin) <= back),
           array_agg(oid::text) FILTER (WHERE %(oids)s)
    FROM pg_enum, look
    UNION ALL
    SELECT 'function', count(*),
           json_agg(json_build_array(p.oid, p.pronamespace, p.proname, p.xmin::text)) FILTER (WHERE age(p.xmin) <= back),
           array_agg(p.oid::text) FILTER (WHERE %(oids)s)
    FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace, look
    WHERE p.oid >= 16384
    UNION ALL
    SELECT 'extension', count(*),
           json_agg(json_build_array(oid, oid, extname, xmin::text)) FILTER (WHERE age(xmin) <= back),
           array_agg(oid::text) FILTER (WHERE %(oids)s)
    FROM pg_extension, look
)
SELECT catalog, rows, written, coalesce(oids, '{}') AS oids, oldest, next FROM catalogs, look
