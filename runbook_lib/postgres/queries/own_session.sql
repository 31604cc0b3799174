-- What the runbook's own sessions need whatever role, database or server are set to: values as psycopg reads them, names of the server's own.
SELECT pg_catalog.set_config(name, value, false)
FROM (VALUES ('DateStyle', 'ISO, MDY'), ('IntervalStyle', 'postgres'), ('bytea_output', 'hex'), ('extra_float_digits', '1'),
             ('standard_conforming_strings', 'on'), ('array_nulls', 'on'),
             ('default_transaction_isolation', 'read committed'), ('search_path', 'pg_catalog')) AS own (name, value)
