-- Write values the same way in every session, hide no row, and qualify every name. Large tables take their time.
SELECT set_config(name, value, true)
FROM (VALUES ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'),
             ('extra_float_digits', '1'), ('bytea_output', 'hex'), ('xmlbinary', 'base64'),
             ('lc_monetary', 'C'), ('row_security', 'off'), ('search_path', 'pg_catalog'),
             ('jit', 'off'), ('statement_timeout', '0')) AS wanted (name, value)
