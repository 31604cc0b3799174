-- The kinds that few schemas have, each as its own drop would name it, with what no statement of settings_kinds.sql sets.
SELECT format('%s %s', named.type, CASE named.type WHEN 'transform' THEN replace(named.identity, ' on language ', ' language ') ELSE named.identity END) AS key, format('%s/%s/0', object.class, object.oid) AS address,
       concat_ws(' ', object.definition, obj_description(object.oid, object.class::regclass::text)) AS definition
FROM (SELECT 'pg_collation' AS class, oid,
             concat_ws(' ', collprovider, CASE WHEN NOT collisdeterministic THEN 'nondeterministic' END,
                       -- The columns have other names on other servers.
                       coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale',
                                concat_ws(' ', to_jsonb(c) ->> 'collcollate', nullif(to_jsonb(c) ->> 'collctype', to_jsonb(c) ->> 'collcollate'))),
                       to_jsonb(c) ->> 'collicurules') AS definition
      FROM pg_collation c
      UNION ALL
      SELECT 'pg_operator', oid,
             concat_ws(' ', oprcode::regprocedure, 'commutator ' || nullif(oprcom, 0)::regoperator, 'negator ' || nullif(oprnegate, 0)::regoperator,
                       'restrict ' || nullif(oprrest, 0)::regproc, 'join ' || nullif(oprjoin, 0)::regproc,
                       CASE WHEN oprcanmerge THEN 'merges' END, CASE WHEN oprcanhash THEN 'hashes' END)
      FROM pg_operator
      WHERE oprcode <> 0
      UNION ALL
      SELECT 'pg_opclass', c.oid, concat_ws(' ', CASE WHEN opcdefault THEN 'default' END, opcintype::regtype, nullif(opckeytype, 0)::regtype,
                                            f.opfnamespace::regnamespace, f.opfname)
      FROM pg_opclass c
      JOIN pg_opfamily f ON f.oid = opcfamily
      UNION ALL
      SELECT 'pg_opfamily', f.oid,
             (SELECT string_agg(member, ', ' ORDER BY member)
              FROM (SELECT format('operator %s %s %s', amopstrategy, amopopr::regoperator,
                                  (SELECT format('for order by %I.%I', s.opfnamespace::regnamespace, s.opfname) FROM pg_opfamily s WHERE s.oid = amopsortfamily))
                    FROM pg_amop WHERE amopfamily = f.oid
                    UNION ALL
                    SELECT format('function %s (%s, %s) %s', amprocnum, amproclefttype::regtype, amprocrighttype::regtype, amproc::regprocedure)
                    FROM pg_amproc WHERE amprocfamily = f.oid) AS members (member))
      FROM pg_opfamily f
      UNION ALL
      SELECT 'pg_cast', oid, concat_ws(' ', nullif(castfunc, 0)::regprocedure, castcontext, castmethod)
      FROM pg_cast
      UNION ALL
      SELECT 'pg_conversion', oid, concat_ws(' ', pg_encoding_to_char(conforencoding), pg_encoding_to_char(contoencoding), conproc,
                                             CASE WHEN condefault THEN 'default' END)
      FROM pg_conversion
      UNION ALL
      SELECT 'pg_ts_config', c.oid, format('%I.%I', p.prsnamespace::regnamespace, prsname) FROM pg_ts_config c JOIN pg_ts_parser p ON p.oid = cfgparser
      UNION ALL
      SELECT 'pg_ts_dict', d.oid, format('%I.%I %s', t.tmplnamespace::regnamespace, tmplname, dictinitoption)
      FROM pg_ts_dict d
      JOIN pg_ts_template t ON t.oid = dicttemplate
      UNION ALL
      SELECT 'pg_ts_parser', oid, concat_ws(' ', prsstart, prstoken, prsend, prsheadline, prslextype) FROM pg_ts_parser
      UNION ALL
      SELECT 'pg_ts_template', oid, concat_ws(' ', tmplinit, tmpllexize) FROM pg_ts_template
      UNION ALL
      SELECT 'pg_foreign_server', s.oid, concat_ws(' ', srvtype, fdwname) FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = srvfdw
      UNION ALL
      SELECT 'pg_foreign_data_wrapper', oid, concat_ws(' ', nullif(fdwhandler, 0)::regproc, nullif(fdwvalidator, 0)::regproc) FROM pg_foreign_data_wrapper
      UNION ALL
      SELECT 'pg_publication', oid, CASE WHEN puballtables THEN 'for all tables' END FROM pg_publication
      UNION ALL
      SELECT 'pg_event_trigger', oid, concat_ws(' ', evtevent, evtfoid::regproc, evttags) FROM pg_event_trigger
      UNION ALL
      SELECT 'pg_language', oid, concat_ws(' ', CASE WHEN lanpltrusted THEN 'trusted' END, nullif(lanplcallfoid, 0)::regproc,
                                           nullif(laninline, 0)::regproc, nullif(lanvalidator, 0)::regproc)
      FROM pg_language
      UNION ALL
      SELECT 'pg_am', oid, concat_ws(' ', amtype, amhandler) FROM pg_am
      UNION ALL
      SELECT 'pg_transform', oid, concat_ws(' ', nullif(trffromsql, 0)::regprocedure, nullif(trftosql, 0)::regprocedure) FROM pg_transform) AS object
CROSS JOIN pg_identify_object(object.class::regclass, object.oid, 0) AS named
WHERE object.oid >= 16384
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = object.class::regclass AND d.objid = object.oid AND d.deptype = 'e')
