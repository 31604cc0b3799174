-- The objects that can be moved to another schema by themselves, those of the schemas aside or of all others.
-- Members of extensions stay; what belongs to a table goes with it. Partitions come before what they are parts of, and
-- before all whose names say types, as those of routines and operators do: they are read before any of them moves.
SELECT n.nspname AS schema, o.identity AS name,
       CASE WHEN o.type IN ('function', 'procedure', 'aggregate') THEN 'ROUTINE'
            WHEN o.type = 'statistics object' THEN 'STATISTICS'
            ELSE upper(o.type) END AS noun
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.deptype = 'n' AND d.objsubid = 0
                             AND d.classid <> 'pg_extension'::regclass
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) AS o
LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND starts_with(n.nspname, %(begin)s) = %(aside)s
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
  -- A range's constructors and multirange are moved by themselves, and go with it.
  AND NOT ((c.relkind IS NOT DISTINCT FROM 'S' OR (%(gone)s AND d.classid IN ('pg_proc'::regclass, 'pg_type'::regclass)))
           AND EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype IN ('a', 'i')))
ORDER BY d.classid IN ('pg_proc'::regclass, 'pg_operator'::regclass) DESC, c.relispartition DESC NULLS LAST, c.relkind = 'r' DESC NULLS LAST, c.oid IS NULL, d.classid, d.objid
LIMIT %(many)s
