-- Whether a restore in place outlived its runner.
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
               WHERE datname = current_database() AND application_name = %(replacer)s) AS at_work
