-- Only a superuser creates an extension that is not trusted; a trusted one needs CREATE on the database.
-- name: extensions installable
-- severity: error
-- expect: no rows
-- remedy: Have a superuser create the extension beforehand, or GRANT CREATE ON DATABASE for a
--     trusted one.
-- seen: SELECT cardinality(%(extensions)s::text[]) || ' extensions created, none that only a
--     superuser may create'
SELECT v.name || CASE WHEN v.trusted THEN ': no CREATE on the database' ELSE ': not trusted' END AS extension
FROM pg_catalog.pg_available_extensions AS a
JOIN pg_catalog.pg_available_extension_versions AS v ON v.name = a.name AND v.version = a.default_version
WHERE a.name = ANY(%(extensions)s::text[]) AND a.installed_version IS NULL AND v.superuser
  AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
  AND NOT (v.trusted AND has_database_privilege(current_database(), 'CREATE'))
ORDER BY 1
