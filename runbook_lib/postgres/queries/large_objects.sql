-- Whether pg_dump may look for large objects, and whether there can be any where it may not.
SELECT has_table_privilege('pg_catalog.pg_largeobject_metadata', 'SELECT') AS readable,
       pg_relation_size('pg_catalog.pg_largeobject_metadata') > 0 AS there
