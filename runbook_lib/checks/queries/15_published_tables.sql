-- A changed table that is published breaks its subscribers until they have the same change.
-- name: published tables
-- severity: warning
-- expect: no rows
-- remedy: Change the subscribers' tables first: logical replication does not carry DDL, and
--     stops where columns differ.
-- seen: SELECT count(*) || ' publications, none of a table that the release names' FROM
--     pg_catalog.pg_publication
SELECT schemaname || '.' || tablename || ' by ' || string_agg(pubname, ', ' ORDER BY pubname) AS published
FROM pg_catalog.pg_publication_tables
WHERE schemaname || '.' || tablename = ANY(%(tables)s::text[])
GROUP BY schemaname, tablename
ORDER BY 1
