-- What can be set on an object and set back: a statement that sets it as it is now, and one that takes it away.
-- Names are qualified whatever the session's path is; what is set nowhere has no row.
WITH relations AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name,
           CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                          WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS noun
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relname <> '_prisma_migrations'
), things AS (
    SELECT format('pg_class/%s/0', oid) AS address, format('%s %s', noun, name) AS thing,
           format('%s %s', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, name) AS granted,
           relowner AS owner, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl,
           -- A sequence of a column goes with its table.
           NOT (relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                                          AND d.objid = relations.oid AND d.deptype IN ('a', 'i'))) AS owned
    FROM relations
    UNION ALL
    SELECT format('pg_proc/%s/0', p.oid), named.thing, named.thing, proowner, coalesce(proacl, acldefault('f', proowner)), true
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    CROSS JOIN format('ROUTINE %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS named (thing)
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT format('pg_type/%s/0', t.oid), named.thing, named.thing, typowner, coalesce(typacl, acldefault('T', typowner)), true
    FROM pg_type t
    JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    CROSS JOIN format('TYPE %I.%I', n.nspname, t.typname) AS named (thing)
    WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c') OR (t.typtype = 'b' AND t.typcategory <> 'A'))
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT format('pg_namespace/%s/0', oid), format('SCHEMA %I', nspname), format('SCHEMA %I', nspname),
           nspowner, coalesce(nspacl, acldefault('n', nspowner)), true
    FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), roles AS (
    SELECT oid, quote_ident(rolname) AS role FROM pg_roles UNION ALL SELECT 0, 'PUBLIC'
), columns AS (
    SELECT a.*, r.name, r.relkind, format('pg_class/%s/%s', r.oid, a.attnum) AS address
    FROM relations r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
), here AS (
    SELECT *, format('pg_database/%s/0', oid) AS address FROM pg_database WHERE datname = current_database()
), acls AS (
    SELECT address, granted, '' AS part, acl FROM things
    UNION ALL
    SELECT address, format('TABLE %s', name), format(' (%I)', attname), attacl FROM columns WHERE attacl IS NOT NULL
), settings (place, what, address, back, away) AS (
    SELECT 1, 'owner', address, format('ALTER %s OWNER TO %s', thing, role), ''
    FROM things
    JOIN roles ON roles.oid = owner
    WHERE owned
    UNION ALL
    SELECT 2, format('%s to %s by %s', privilege_type, grantee.role, grantor.role), address,
           format('GRANT %s%s ON %s TO %s%s', privilege_type, part, granted, grantee.role,
                  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END),
           format('REVOKE %s%s ON %s FROM %s', privilege_type, part, granted, grantee.role)
    FROM acls
    CROSS JOIN aclexplode(acl)
    JOIN roles AS grantee ON grantee.oid = aclexplode.grantee
    JOIN roles AS grantor ON grantor.oid = aclexplode.grantor
    UNION ALL
    SELECT 3, CASE WHEN there THEN '' ELSE 'no ' END || format('default privilege %s on %s to %s', privilege, kind, role), address,
           CASE WHEN there THEN giving ELSE taking END, CASE WHEN there THEN taking ELSE giving END
    FROM (SELECT d.kind, d.address, grantee.role, privilege_type AS privilege, given AS there,
                 format('%s GRANT %s ON %s TO %s%s', d.begin, privilege_type, d.objects, grantee.role,
                        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS giving,
                 format('%s REVOKE %s ON %s FROM %s', d.begin, privilege_type, d.objects, grantee.role) AS taking
          FROM (SELECT defaclobjtype AS kind, format('pg_default_acl/%s/0', a.oid) AS address, defaclacl AS acl,
                       format('ALTER DEFAULT PRIVILEGES FOR ROLE %s', giver.role)
                       || CASE WHEN n.nspname IS NULL THEN '' ELSE format(' IN SCHEMA %I', n.nspname) END AS begin,
                       CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
                                          WHEN 'T' THEN 'TYPES' WHEN 'L' THEN 'LARGE OBJECTS' ELSE 'SCHEMAS' END AS objects,
                       -- Those of the database stand in the place of PostgreSQL's own; those of a schema come on top of them.
                       CASE WHEN defaclnamespace = 0
                            THEN acldefault(CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END, defaclrole) END AS own
                FROM pg_default_acl a
                JOIN roles AS giver ON giver.oid = a.defaclrole
                LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace) AS d
          CROSS JOIN LATERAL (SELECT e.*, true AS given FROM aclexplode(d.acl) AS e
                              WHERE NOT EXISTS (SELECT FROM aclexplode(d.own) AS o
                                                WHERE o.grantee = e.grantee AND o.privilege_type = e.privilege_type AND o.is_grantable = e.is_grantable)
                              UNION ALL
                              SELECT o.*, false FROM aclexplode(d.own) AS o
                              WHERE NOT EXISTS (SELECT FROM aclexplode(d.acl) AS e
                                                WHERE e.grantee = o.grantee AND e.privilege_type = o.privilege_type)) AS changed
          JOIN roles AS grantee ON grantee.oid = changed.grantee) AS defaults
    UNION ALL
    SELECT 4, 'comment', format('%s/%s/%s', classoid::regclass, objoid, objsubid),
           format('COMMENT ON %s IS %L', named.thing, description), format('COMMENT ON %s IS NULL', named.thing)
    FROM pg_description
    CROSS JOIN pg_identify_object(classoid, objoid, objsubid) AS found
    CROSS JOIN LATERAL (SELECT format('%s %s',
                                      CASE WHEN found.type ~ ' column$' THEN 'COLUMN'
                                           WHEN found.type ~ ' constraint$' THEN 'CONSTRAINT'
                                           WHEN found.type = 'statistics object' THEN 'STATISTICS'
                                           WHEN found.type = 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER'
                                           ELSE upper(found.type) END,
                                      CASE WHEN found.type = 'domain constraint' THEN regexp_replace(found.identity, ' on (?=\S+$)', ' ON DOMAIN ')
                                           ELSE found.identity END) AS thing) AS named
    WHERE objoid >= 16384 OR (classoid, objoid) = ('pg_namespace'::regclass, (SELECT oid FROM pg_namespace WHERE nspname = 'public'))
    UNION ALL
    SELECT 5, 'option ' || option, address, format('ALTER %s SET (%s)', thing, option), format('ALTER %s RESET (%s)', thing, split_part(option, '=', 1))
    FROM relations
    JOIN things ON address = format('pg_class/%s/0', relations.oid)
    CROSS JOIN unnest(reloptions) AS option
    UNION ALL
    SELECT 5, 'row security', format('pg_class/%s/0', oid), format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name),
           format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', name)
    FROM relations
    WHERE relrowsecurity
    UNION ALL
    SELECT 5, 'row security of the owner', format('pg_class/%s/0', oid), format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name),
           format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', name)
    FROM relations
    WHERE relforcerowsecurity
    UNION ALL
    SELECT 5, 'replica identity', format('pg_class/%s/0', oid),
           format('ALTER TABLE %s REPLICA IDENTITY %s', name,
                  CASE relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' WHEN 'd' THEN 'DEFAULT'
                                    ELSE (SELECT format('USING INDEX %I', i.relname) FROM pg_index JOIN pg_class i ON i.oid = indexrelid
                                          WHERE indrelid = relations.oid AND indisreplident) END), ''
    FROM relations
    WHERE relkind IN ('r', 'p')
    UNION ALL
    SELECT 5, 'sequence', format('pg_class/%s/0', r.oid),
           format('ALTER SEQUENCE %s AS %s START %s INCREMENT %s MINVALUE %s MAXVALUE %s CACHE %s %s CYCLE', name,
                  format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax, seqcache, CASE WHEN seqcycle THEN '' ELSE 'NO' END), ''
    FROM relations r
    JOIN pg_sequence ON seqrelid = r.oid
    UNION ALL
    SELECT 5, 'trigger', format('pg_trigger/%s/0', t.oid),
           format('ALTER TABLE %s %s TRIGGER %I', name,
                  CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END, tgname), ''
    FROM relations r
    JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT 6, 'default', address, format('ALTER TABLE ONLY %s ALTER %I SET DEFAULT %s', name, attname, pg_get_expr(adbin, adrelid)),
           format('ALTER TABLE ONLY %s ALTER %I DROP DEFAULT', name, attname)
    FROM columns
    JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attgenerated = ''
    UNION ALL
    -- No statement of every version gives an older column another expression: it is tried on one beside.
    SELECT 6, 'generated', address,
           format('ALTER TABLE %s ADD runbook_aside_%s %s GENERATED ALWAYS AS (%s) %s', name, attnum, format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid),
                  CASE attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END), ''
    FROM columns
    JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attgenerated <> ''
    UNION ALL
    SELECT 6, 'not null', address, format('ALTER TABLE %s ALTER %I SET NOT NULL', name, attname),
           format('ALTER TABLE %s ALTER %I DROP NOT NULL', name, attname)
    FROM columns
    WHERE attnotnull AND relkind IN ('r', 'p', 'f')
    UNION ALL
    SELECT 7, 'definition', format('pg_class/%s/0', oid),
           CASE relkind WHEN 'v' THEN format('CREATE OR REPLACE VIEW %s%s AS %s', name, ' WITH (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(oid))
                        ELSE format('CREATE MATERIALIZED VIEW %s%s AS %s WITH NO DATA', name, ' WITH (' || array_to_string(reloptions, ', ') || ')',
                                    rtrim(pg_get_viewdef(oid), ';')) END, ''
    FROM relations
    WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT 8, 'rows', format('pg_class/%s/0', oid), format('REFRESH MATERIALIZED VIEW %s%s', name, CASE WHEN NOT relispopulated THEN ' WITH NO DATA' END), ''
    FROM relations
    WHERE relkind = 'm'
    UNION ALL
    SELECT 7, 'definition', format('pg_proc/%s/0', p.oid), pg_get_functiondef(p.oid), ''
    FROM pg_proc p
    JOIN things ON address = format('pg_proc/%s/0', p.oid)
    WHERE p.prokind <> 'a'
    UNION ALL
    SELECT 7, 'definition', format('pg_class/%s/0', i.indexrelid), pg_get_indexdef(i.indexrelid), ''
    FROM relations r
    JOIN pg_index i ON i.indrelid = r.oid
    WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 7, 'definition', format('pg_constraint/%s/0', c.oid), format('ALTER TABLE %s ADD CONSTRAINT %I %s', name, conname, pg_get_constraintdef(c.oid)), ''
    FROM relations r
    JOIN pg_constraint c ON c.conrelid = r.oid AND c.contype NOT IN ('n', 't') AND c.conislocal
    UNION ALL
    SELECT 7, 'definition', format('pg_trigger/%s/0', t.oid), pg_get_triggerdef(t.oid), ''
    FROM relations r
    JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT 7, 'definition', format('pg_rewrite/%s/0', w.oid), pg_get_ruledef(w.oid), ''
    FROM relations r
    JOIN pg_rewrite w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'
    UNION ALL
    SELECT 7, 'definition', format('pg_statistic_ext/%s/0', s.oid), pg_get_statisticsobjdef(s.oid), ''
    FROM relations r
    JOIN pg_statistic_ext s ON s.stxrelid = r.oid
    UNION ALL
    SELECT 8, 'labels', address, format('CREATE %s AS ENUM (%s)', thing, string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)), ''
    FROM things
    JOIN pg_enum ON address = format('pg_type/%s/0', enumtypid)
    GROUP BY address, thing
    UNION ALL
    SELECT 9, 'database owner', address, format('ALTER DATABASE %I OWNER TO %s', datname, role), ''
    FROM here
    JOIN roles ON roles.oid = datdba
    UNION ALL
    SELECT 9, 'database connection limit', address, format('ALTER DATABASE %I CONNECTION LIMIT %s', datname, datconnlimit), ''
    FROM here
    UNION ALL
    SELECT 9, 'database is a template', address, format('ALTER DATABASE %I IS_TEMPLATE %s', datname, datistemplate::text), ''
    FROM here
    UNION ALL
    SELECT 9, 'database comment', address, format('COMMENT ON DATABASE %I IS %L', datname, shobj_description(oid, 'pg_database')),
           format('COMMENT ON DATABASE %I IS NULL', datname)
    FROM here
    WHERE shobj_description(oid, 'pg_database') IS NOT NULL
    UNION ALL
    SELECT 9, format('database %s to %s by %s', privilege_type, grantee.role, grantor.role), address,
           format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, datname, grantee.role,
                  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END),
           format('REVOKE %s ON DATABASE %I FROM %s', privilege_type, datname, grantee.role)
    FROM here
    CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba)))
    JOIN roles AS grantee ON grantee.oid = aclexplode.grantee
    JOIN roles AS grantor ON grantor.oid = aclexplode.grantor
    UNION ALL
    SELECT 9, format('database setting %s of %s', name, whose), address,
           -- Lists are stored as they are written; a literal would be one element.
           format('ALTER %s SET %I = %s', whose, name,
                  CASE WHEN name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries')
                       THEN value ELSE quote_literal(value) END),
           format('ALTER %s RESET %I', whose, name)
    FROM here
    JOIN pg_db_role_setting s ON s.setdatabase = here.oid
    LEFT JOIN roles ON roles.oid = setrole
    CROSS JOIN unnest(setconfig) AS setting
    CROSS JOIN LATERAL (SELECT split_part(setting, '=', 1) AS name, substr(setting, strpos(setting, '=') + 1) AS value,
                               CASE WHEN setrole = 0 THEN format('DATABASE %I', datname)
                                    ELSE format('ROLE %s IN DATABASE %I', role, datname) END AS whose) AS parts
)
SELECT what, address, back, away
FROM settings
ORDER BY place, address, what
