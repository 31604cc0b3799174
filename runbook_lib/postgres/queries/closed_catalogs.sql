-- Catalogs that everybody may read of old and this role may not: pg_dump reads them, and whatever compares two schemas.
SELECT relname AS name
FROM pg_class
WHERE relnamespace = 'pg_catalog'::regnamespace AND NOT has_any_column_privilege(oid, 'SELECT')
  AND (relkind = 'r' OR relname IN ('pg_roles', 'pg_settings', 'pg_seclabels'))
  AND relname NOT IN ('pg_authid', 'pg_largeobject', 'pg_largeobject_metadata', 'pg_parameter_acl', 'pg_replication_origin',
                      'pg_shdepend', 'pg_statistic', 'pg_statistic_ext_data', 'pg_user_mapping')
ORDER BY relname
