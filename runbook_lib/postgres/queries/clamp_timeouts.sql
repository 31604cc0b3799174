-- Bring a timeout that is higher, or off, down to its bound, in the unit of pg_settings.
SELECT pg_catalog.set_config(name, bound::pg_catalog.text, %(local)s)
FROM pg_catalog.pg_settings
JOIN unnest(%(names)s::pg_catalog.text[], %(values)s::pg_catalog.int4[]) AS wanted (name, bound) USING (name)
WHERE CASE WHEN vartype = 'integer' THEN setting::pg_catalog.int4 NOT BETWEEN 1 AND bound END
