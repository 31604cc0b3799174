-- Functions, procedures and aggregates by signature.
SELECT format('function %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS key,
       format('pg_proc/%s/0', p.oid) AS address,
       concat_ws(' ', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid)
                      ELSE (SELECT concat_ws(' ', 'aggregate', aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn,
                                             aggminvtransfn, aggmfinalfn, aggfinalextra, aggmfinalextra, aggfinalmodify, aggmfinalmodify,
                                             nullif(aggsortop, 0)::regoperator, aggtranstype::regtype, aggtransspace,
                                             nullif(aggmtranstype, 0)::regtype, aggmtransspace, agginitval, aggminitval, p.proparallel)
                            FROM pg_aggregate WHERE aggfnoid = p.oid) END,
                 obj_description(p.oid, 'pg_proc')) AS definition
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
