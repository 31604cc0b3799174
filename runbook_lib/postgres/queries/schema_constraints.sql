-- Constraints; NOT NULL is a property of the column (PostgreSQL 18 also lists it here), a constraint trigger is a trigger.
SELECT format('constraint %I.%I.%I', n.nspname, coalesce(r.relname, t.typname), c.conname) AS key,
       format('pg_constraint/%s/0', c.oid) AS address,
       concat_ws(' ', pg_get_constraintdef(c.oid), CASE WHEN NOT c.conislocal AND NOT coalesce(r.relispartition, false) THEN 'inherited' END,
                 obj_description(c.oid, 'pg_constraint')) AS definition
FROM pg_constraint c
JOIN pg_namespace n ON n.oid = c.connamespace
LEFT JOIN pg_class r ON r.oid = c.conrelid
LEFT JOIN pg_type t ON t.oid = c.contypid
WHERE c.contype NOT IN ('n', 't')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND coalesce(r.relname, t.typname) <> '_prisma_migrations'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e'
                  AND ((d.classid = 'pg_class'::regclass AND d.objid = c.conrelid)
                    OR (d.classid = 'pg_type'::regclass AND d.objid = c.contypid)))
