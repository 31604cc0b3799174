-- Each large object with its owner, its grants and a checksum of its pages; for a superuser, who evaluates nobody's
-- expression here.
SELECT m.oid::bigint AS oid, m.lomowner, m.lomacl::text AS acl,
       coalesce(pg_catalog.sum(pg_catalog.hash_record_extended(ROW(l.pageno, l.data), 0)), 0)::text AS checksum
FROM pg_catalog.pg_largeobject_metadata m
LEFT JOIN pg_catalog.pg_largeobject l ON l.loid = m.oid
GROUP BY m.oid, m.lomowner, m.lomacl
ORDER BY m.oid
