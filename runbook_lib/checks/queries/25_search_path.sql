-- Names without a schema are found in none where search_path names no schema that is there.
-- name: search path
-- severity: error
-- expect: no rows
-- remedy: Create the schema, or ALTER ROLE or ALTER DATABASE ... SET search_path to one that is
--     there.
-- seen: SELECT 'search_path is ' || current_setting('search_path')
SELECT 'search_path is ' || current_setting('search_path') || ', where no schema is' AS setting
WHERE %(in_public)s AND current_schema() IS NULL
