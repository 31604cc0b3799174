-- What a database keeps where its locale is not known on another server.
SELECT format('OWNER %I ENCODING %L LOCALE ''C'' TABLESPACE %I',
              pg_catalog.pg_get_userbyid(datdba), pg_catalog.pg_encoding_to_char(encoding), spcname) AS options,
       datcollate AS locale
FROM pg_catalog.pg_database d
JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
WHERE datname = current_database()
