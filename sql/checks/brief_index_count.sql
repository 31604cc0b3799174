-- The brief's second test query: it promises thirty performance indexes or more.
-- name: brief_index_count
-- severity: error
-- expect: >= 30
-- remedy: See indexes_created, which names what is missing.
SELECT count(*)
FROM pg_indexes
WHERE schemaname = 'public'
  AND indexname LIKE 'idx\_%'
