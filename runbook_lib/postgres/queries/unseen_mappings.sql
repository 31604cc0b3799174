-- Whether there are options of user mappings that this role may not see.
SELECT 'the options of user mappings' AS what
WHERE EXISTS (SELECT FROM pg_user_mappings WHERE umoptions IS NULL) AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
