-- What the runbook's own sessions need whatever role, database or server are set to: values as psycopg reads them, names of the server's own, bounds on silence.
SELECT pg_catalog.set_config(name, value, false)
FROM (VALUES ('DateStyle', 'ISO, MDY'), ('IntervalStyle', 'postgres'), ('bytea_output', 'hex'), ('extra_float_digits', '1'),
             ('standard_conforming_strings', 'on'), ('array_nulls', 'on'),
             ('default_transaction_isolation', 'read committed'), ('statement_timeout', '0'), ('search_path', 'pg_catalog')
      UNION ALL
      SELECT * FROM unnest(%(names)s::pg_catalog.text[], %(values)s::pg_catalog.text[])) AS own (name, value)
