-- The databases of a server beside this one and its templates: whose they are, and what they are made with.
SELECT datname AS name,
       format('OWNER %I ENCODING %L LOCALE ''C'' CONNECTION LIMIT %s ALLOW_CONNECTIONS %s IS_TEMPLATE %s',
              pg_catalog.pg_get_userbyid(datdba), pg_catalog.pg_encoding_to_char(encoding), datconnlimit, datallowconn::text, datistemplate::text) AS options
FROM pg_catalog.pg_database
WHERE datname <> current_database() AND datname NOT IN ('postgres', 'template0', 'template1') AND datconnlimit <> -2
ORDER BY datname
