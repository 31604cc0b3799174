-- What ALTER SYSTEM has set, one by one, with the statements that set it so and take it away; only some roles may look.
SELECT format('configuration %s', name) AS what, setting AS state,
       format('ALTER SYSTEM SET %I = %L', name, setting) AS make, format('ALTER SYSTEM SET %I = %L', name, setting) AS change,
       format('ALTER SYSTEM RESET %I', name) AS drop
FROM pg_file_settings
WHERE sourcefile ~ 'postgresql\.auto\.conf$'
