-- How many objects a database has: what a rehearsal on its server must not change.
SELECT concat_ws(' ', (SELECT count(*) FROM pg_catalog.pg_class), (SELECT count(*) FROM pg_catalog.pg_proc),
                 (SELECT count(*) FROM pg_catalog.pg_type), (SELECT count(*) FROM pg_catalog.pg_namespace),
                 (SELECT count(*) FROM pg_catalog.pg_extension), (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata),
                 (SELECT count(*) FROM pg_catalog.pg_default_acl), (SELECT count(*) FROM pg_catalog.pg_publication)) AS value
