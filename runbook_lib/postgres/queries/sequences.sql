-- The sequences that this role may read, each with the statement that reads where it stands and whether that value was
-- handed out: pg_sequences leaves out one that was set to a value that nobody has taken yet.
SELECT s.seqrelid::bigint AS oid, n.nspname AS schema, c.relname AS name,
       s.seqstart AS start, s.seqincrement AS increment, s.seqmin AS smallest, s.seqmax AS largest,
       pg_catalog.format('SELECT ARRAY[last_value, is_called::int] FROM %I.%I', n.nspname, c.relname) AS read
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  -- The planner may ask before the join, and the function fails for what is no sequence.
  AND CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') END
ORDER BY n.nspname, c.relname
