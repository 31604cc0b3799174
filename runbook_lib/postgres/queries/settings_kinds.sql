-- What can be set on the kinds that few schemas have and on what PostgreSQL itself brings, as settings.sql has the rest.
WITH roles AS (
    SELECT oid, quote_ident(rolname) AS role FROM pg_roles UNION ALL SELECT 0, 'PUBLIC'
), owned (class, oid, owner) AS (
    SELECT 'pg_collation', oid, collowner FROM pg_collation
    UNION ALL SELECT 'pg_conversion', oid, conowner FROM pg_conversion
    UNION ALL SELECT 'pg_operator', oid, oprowner FROM pg_operator
    UNION ALL SELECT 'pg_opclass', oid, opcowner FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily', oid, opfowner FROM pg_opfamily
    UNION ALL SELECT 'pg_ts_config', oid, cfgowner FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict', oid, dictowner FROM pg_ts_dict
    UNION ALL SELECT 'pg_statistic_ext', oid, stxowner FROM pg_statistic_ext
    UNION ALL SELECT 'pg_language', oid, lanowner FROM pg_language
    UNION ALL SELECT 'pg_foreign_server', oid, srvowner FROM pg_foreign_server
    UNION ALL SELECT 'pg_foreign_data_wrapper', oid, fdwowner FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_publication', oid, pubowner FROM pg_publication
    UNION ALL SELECT 'pg_event_trigger', oid, evtowner FROM pg_event_trigger
), granted AS (
    SELECT format('pg_language/%s/0', oid) AS address, format('LANGUAGE %I', lanname) AS thing, lanacl AS acl, acldefault('l', lanowner) AS own
    FROM pg_language
    WHERE lanpltrusted
    UNION ALL
    SELECT format('pg_foreign_server/%s/0', oid), format('FOREIGN SERVER %I', srvname), srvacl, acldefault('S', srvowner) FROM pg_foreign_server
    UNION ALL
    SELECT format('pg_foreign_data_wrapper/%s/0', oid), format('FOREIGN DATA WRAPPER %I', fdwname), fdwacl, acldefault('F', fdwowner) FROM pg_foreign_data_wrapper
    UNION ALL
    -- Of PostgreSQL's own what differs from what initdb wrote.
    SELECT format('system/pg_class.%s/0', oid), format('TABLE %s', oid::regclass), relacl, coalesce(initprivs, acldefault('r', relowner))
    FROM pg_class
    LEFT JOIN pg_init_privs i ON i.classoid = 'pg_class'::regclass AND i.objoid = pg_class.oid AND i.objsubid = 0
    WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v') AND relacl IS NOT NULL
    UNION ALL
    SELECT format('system/pg_proc.%s/0', oid), format('ROUTINE %s', oid::regprocedure), proacl, coalesce(initprivs, acldefault('f', proowner))
    FROM pg_proc
    LEFT JOIN pg_init_privs i ON i.classoid = 'pg_proc'::regclass AND i.objoid = pg_proc.oid AND i.objsubid = 0
    WHERE pronamespace = 'pg_catalog'::regnamespace AND proacl IS NOT NULL
    UNION ALL
    SELECT format('system/pg_namespace.%s/0', oid), format('SCHEMA %I', nspname), nspacl, coalesce(initprivs, acldefault('n', nspowner))
    FROM pg_namespace n
    LEFT JOIN pg_init_privs i ON i.classoid = 'pg_namespace'::regclass AND i.objoid = n.oid AND i.objsubid = 0
    WHERE nspname = 'pg_catalog' AND nspacl IS NOT NULL
), found (place, what, address, back, away) AS (
    SELECT 1, 'owner', format('%s/%s/0', class, owned.oid),
           format('ALTER %s %s OWNER TO %s',
                  CASE named.type WHEN 'statistics object' THEN 'STATISTICS' WHEN 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER' ELSE upper(named.type) END,
                  named.identity, role), ''
    FROM owned
    JOIN roles ON roles.oid = owner
    CROSS JOIN pg_identify_object(class::regclass, owned.oid, 0) AS named
    WHERE owned.oid >= 16384
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = class::regclass AND d.objid = owned.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 2, CASE WHEN there THEN '' ELSE 'no ' END || format('%s to %s', privilege, role), address,
           CASE WHEN there THEN giving ELSE taking END, CASE WHEN there THEN taking ELSE giving END
    FROM (SELECT address, there, role, privilege_type AS privilege,
                 format('GRANT %s ON %s TO %s%s', privilege_type, thing, role, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS giving,
                 format('REVOKE %s ON %s FROM %s', privilege_type, thing, role) AS taking
          FROM granted
          CROSS JOIN LATERAL (SELECT true AS there, e.* FROM (SELECT * FROM aclexplode(coalesce(acl, own)) EXCEPT SELECT * FROM aclexplode(own)) AS e
                              UNION ALL
                              SELECT false, o.* FROM (SELECT * FROM aclexplode(own) EXCEPT SELECT * FROM aclexplode(coalesce(acl, own))) AS o) AS changed
          JOIN roles ON roles.oid = grantee
          WHERE acl IS DISTINCT FROM own) AS changes
    UNION ALL
    SELECT 3, 'option ' || option_name, format('pg_foreign_data_wrapper/%s/0', oid),
           format('ALTER FOREIGN DATA WRAPPER %I OPTIONS (ADD %I %L)', fdwname, option_name, option_value),
           format('ALTER FOREIGN DATA WRAPPER %I OPTIONS (DROP %I)', fdwname, option_name)
    FROM pg_foreign_data_wrapper
    CROSS JOIN pg_options_to_table(fdwoptions)
    UNION ALL
    SELECT 3, 'option ' || option_name, format('pg_foreign_server/%s/0', oid), format('ALTER SERVER %I OPTIONS (ADD %I %L)', srvname, option_name, option_value),
           format('ALTER SERVER %I OPTIONS (DROP %I)', srvname, option_name)
    FROM pg_foreign_server
    CROSS JOIN pg_options_to_table(srvoptions)
    UNION ALL
    SELECT 3, 'version', format('pg_foreign_server/%s/0', oid), format('ALTER SERVER %I VERSION %L', srvname, srvversion), format('ALTER SERVER %I VERSION NULL', srvname)
    FROM pg_foreign_server
    WHERE srvversion IS NOT NULL
    UNION ALL
    SELECT 4, 'event trigger', format('pg_event_trigger/%s/0', oid),
           format('ALTER EVENT TRIGGER %I %s', evtname,
                  CASE evtenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END), ''
    FROM pg_event_trigger
    UNION ALL
    SELECT 4, 'statistics', format('pg_statistic_ext/%s/0', s.oid), format('ALTER STATISTICS %I.%I SET STATISTICS %s', nspname, stxname, stxstattarget),
           format('ALTER STATISTICS %I.%I SET STATISTICS -1', nspname, stxname)
    FROM pg_statistic_ext s
    JOIN pg_namespace n ON n.oid = stxnamespace
    WHERE stxstattarget >= 0
    UNION ALL
    SELECT 4, format('mapping of %s', alias), format('pg_ts_config/%s/0', c.oid),
           format('ALTER TEXT SEARCH CONFIGURATION %I.%I ADD MAPPING FOR %I WITH %s', nspname, cfgname, alias, string_agg(mapdict::regdictionary::text, ', ' ORDER BY mapseqno)),
           format('ALTER TEXT SEARCH CONFIGURATION %I.%I DROP MAPPING FOR %I', nspname, cfgname, alias)
    FROM pg_ts_config c
    JOIN pg_namespace n ON n.oid = cfgnamespace
    CROSS JOIN ts_token_type(cfgparser)
    JOIN pg_ts_config_map m ON mapcfg = c.oid AND maptokentype = tokid
    WHERE c.oid >= 16384
    GROUP BY c.oid, nspname, cfgname, alias
    UNION ALL
    SELECT 4, 'publishes', format('pg_publication/%s/0', oid),
           format('ALTER PUBLICATION %I SET (publish = %L, publish_via_partition_root = %s%s)', pubname,
                  concat_ws(', ', CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END,
                            CASE WHEN pubdelete THEN 'delete' END, CASE WHEN pubtruncate THEN 'truncate' END), pubviaroot::text,
                  ', publish_generated_columns = ' || CASE to_jsonb(p) ->> 'pubgencols' WHEN 's' THEN 'stored' WHEN 'n' THEN 'none' END), ''
    FROM pg_publication p
    UNION ALL
    SELECT 4, 'domain default', format('pg_type/%s/0', t.oid), format('ALTER DOMAIN %I.%I SET DEFAULT %s', nspname, typname, pg_get_expr(typdefaultbin, 0)),
           format('ALTER DOMAIN %I.%I DROP DEFAULT', nspname, typname)
    FROM pg_type t
    JOIN pg_namespace n ON n.oid = typnamespace
    WHERE typtype = 'd' AND typdefaultbin IS NOT NULL AND t.oid >= 16384
    UNION ALL
    SELECT 4, 'domain not null', format('pg_type/%s/0', t.oid), format('ALTER DOMAIN %I.%I SET NOT NULL', nspname, typname), format('ALTER DOMAIN %I.%I DROP NOT NULL', nspname, typname)
    FROM pg_type t
    JOIN pg_namespace n ON n.oid = typnamespace
    WHERE typtype = 'd' AND typnotnull AND t.oid >= 16384
    UNION ALL
    SELECT 4, 'depends on ' || extname, format('%s/%s/0', d.classid::regclass, d.objid), format('ALTER %s %s DEPENDS ON EXTENSION %I', upper(named.type), named.place, extname),
           format('ALTER %s %s NO DEPENDS ON EXTENSION %I', upper(named.type), named.place, extname)
    FROM pg_depend d
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
    CROSS JOIN LATERAL (SELECT type, identity AS place FROM pg_identify_object(d.classid, d.objid, d.objsubid)) AS named
    WHERE d.deptype = 'x'
    UNION ALL
    SELECT 5, 'security label of ' || provider, format('%s/%s/%s', classoid::regclass, objoid, objsubid),
           format('SECURITY LABEL FOR %I ON %s %s IS %L', provider, upper(objtype), objname, label), format('SECURITY LABEL FOR %I ON %s %s IS NULL', provider, upper(objtype), objname)
    FROM pg_seclabels
    UNION ALL
    SELECT 6, 'definition', format('pg_policy/%s/0', p.oid),
           format('CREATE POLICY %I ON %I.%I AS %s FOR %s TO %s', polname, nspname, relname, CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                  CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                  (SELECT string_agg(role, ', ' ORDER BY role) FROM roles WHERE roles.oid = ANY (polroles)))
           || coalesce(' USING (' || pg_get_expr(polqual, polrelid) || ')', '') || coalesce(' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', ''), ''
    FROM pg_policy p
    JOIN pg_class c ON c.oid = polrelid
    JOIN pg_namespace n ON n.oid = relnamespace
    UNION ALL
    SELECT 6, 'definition', format('pg_constraint/%s/0', c.oid), format('ALTER DOMAIN %I.%I ADD CONSTRAINT %I %s', nspname, typname, conname, pg_get_constraintdef(c.oid)), ''
    FROM pg_constraint c
    JOIN pg_type t ON t.oid = contypid
    JOIN pg_namespace n ON n.oid = typnamespace
    WHERE contype = 'c' AND t.oid >= 16384
)
SELECT what, address, back, away
FROM found
ORDER BY place, address, what
