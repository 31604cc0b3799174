-- Names without a schema are read as public; a search_path that says otherwise puts them elsewhere.
-- name: search path
-- severity: error
-- expect: no rows
-- remedy: ALTER ROLE or ALTER DATABASE ... RESET search_path, so that names are found in
--     public first.
SELECT 'search_path is ' || current_setting('search_path') || ', which creates in '
       || coalesce(current_schema(), 'no schema') AS setting
WHERE %(in_public)s AND current_schema() IS DISTINCT FROM 'public'
