-- The pairs of types whose values are the same bytes: between them a column is not written anew.
SELECT pg_catalog.format_type(castsource, NULL) AS source, pg_catalog.format_type(casttarget, NULL) AS target
FROM pg_catalog.pg_cast
WHERE castmethod = 'b'
