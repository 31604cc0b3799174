-- A rollback restores into a new database beside the old one, and swaps their names.
-- name: may create a database
-- severity: warning
-- expect: no rows
-- remedy: ALTER ROLE ... CREATEDB and make it the database's owner, or have an administrator
--     at hand.
-- seen: SELECT current_user || ' may create a database, and has the rights of this one''s owner'
SELECT 'the role has no CREATEDB' AS missing
FROM pg_catalog.pg_roles
WHERE rolname = current_user AND NOT (rolsuper OR rolcreatedb)
UNION ALL
SELECT 'the database belongs to ' || pg_get_userbyid(datdba)
FROM pg_catalog.pg_database
WHERE datname = current_database() AND NOT pg_has_role(datdba, 'USAGE')
