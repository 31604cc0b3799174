-- The brief's third test query: as many foreign keys as the seven migrations declare.
-- name: brief_foreign_key_count
-- severity: error
-- expect: >= 129
-- remedy: See foreign_keys_created, which names what is missing.
SELECT count(*)
FROM information_schema.table_constraints
WHERE constraint_type = 'FOREIGN KEY'
  AND table_schema = 'public'
