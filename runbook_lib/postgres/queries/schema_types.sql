-- Enums with their labels in order, domains, composite, range and base types, and shells of types.
SELECT format('%s %I.%I', CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'type' END,
              n.nspname, t.typname) AS key,
       format('pg_type/%s/0', t.oid) AS address,
       concat_ws(' ',
                 (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
                 CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) || CASE WHEN t.typnotnull THEN ' not null' ELSE '' END END,
                 CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation THEN 'collate ' || t.typcollation::regcollation END,
                 t.typdefault,
                 (SELECT concat_ws(' ', r.rngsubtype::regtype, nullif(r.rngcollation, 0)::regcollation, o.opcname, nullif(r.rngcanonical, 0)::regproc,
                                   nullif(r.rngsubdiff, 0)::regproc, r.rngmultitypid::regtype)
                  FROM pg_range r JOIN pg_opclass o ON o.oid = r.rngsubopc WHERE r.rngtypid = t.oid),
                 CASE t.typtype WHEN 'p' THEN 'shell'
                      WHEN 'b' THEN concat_ws(' ', t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze, t.typsubscript,
                                              t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory, t.typispreferred, t.typdelim,
                                              nullif(t.typelem, 0)::regtype, nullif(t.typcollation, 0)::regcollation) END,
                 obj_description(t.oid, 'pg_type')) AS definition
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_type b ON b.oid = t.typbasetype
WHERE (t.typtype IN ('e', 'd', 'r', 'p') OR (t.typtype = 'c' AND c.relkind = 'c')
       OR (t.typtype = 'b' AND t.typcategory <> 'A'))
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
