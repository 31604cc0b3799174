-- What a server holds beside the objects of its databases: a rehearsal on a server that was named for it leaves this as it was.
SELECT key, value
FROM (SELECT ARRAY['database', datname::text] AS key,
             concat_ws(' ', pg_catalog.pg_get_userbyid(datdba), datconnlimit, datallowconn, datistemplate, spcname,
                       coalesce(datacl, pg_catalog.acldefault('d', datdba)),
                       pg_catalog.shobj_description(d.oid, 'pg_database')) AS value
      FROM pg_catalog.pg_database d
      JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
      UNION ALL
      SELECT ARRAY['role', rolname::text],
             concat_ws(' ', rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
                       rolvaliduntil, pg_catalog.md5(rolpassword), pg_catalog.shobj_description(oid, 'pg_authid'))
      FROM pg_catalog.pg_authid
      UNION ALL
      SELECT ARRAY['member', r.rolname::text, m.rolname::text, a.grantor::regrole::text], a.admin_option::text
      FROM pg_catalog.pg_auth_members a
      JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
      JOIN pg_catalog.pg_roles m ON m.oid = a.member
      UNION ALL
      SELECT ARRAY['tablespace', spcname::text], concat_ws(' ', pg_catalog.pg_get_userbyid(spcowner), coalesce(spcacl, pg_catalog.acldefault('t', spcowner)), spcoptions)
      FROM pg_catalog.pg_tablespace
      UNION ALL
      SELECT ARRAY['setting', coalesce(datname::text, ''), coalesce(rolname::text, ''), split_part(setting, '=', 1)], substr(setting, strpos(setting, '=') + 1)
      FROM pg_catalog.pg_db_role_setting s
      LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
      LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
      CROSS JOIN unnest(setconfig) AS setting
      WHERE setting !~ '^runbook\.'
      UNION ALL
      SELECT ARRAY['file', name], string_agg(setting, ' ' ORDER BY seqno)
      FROM pg_catalog.pg_file_settings
      WHERE sourcefile ~ 'postgresql\.auto\.conf$'
      GROUP BY name
      UNION ALL
      SELECT ARRAY['prepared', database::text, gid], '' FROM pg_catalog.pg_prepared_xacts
      UNION ALL
      SELECT ARRAY['subscription', datname::text, subname::text], ''
      FROM pg_catalog.pg_subscription
      JOIN pg_catalog.pg_database d ON d.oid = subdbid
      UNION ALL
      SELECT ARRAY['slot', slot_name::text], '' FROM pg_catalog.pg_replication_slots
      UNION ALL
      SELECT ARRAY['origin', roname], '' FROM pg_catalog.pg_replication_origin) AS found
