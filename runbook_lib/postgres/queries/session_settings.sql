-- Set what a session of ours needs; a setting this server does not know is passed over.
SELECT pg_catalog.set_config(name, value, false)
FROM unnest(%(names)s::pg_catalog.text[], %(values)s::pg_catalog.text[]) AS wanted (name, value)
WHERE pg_catalog.current_setting(name, true) IS NOT NULL
