-- What a new database must repeat to be like this one (CREATE DATABASE options).
SELECT format('OWNER %%I ENCODING %%L LC_COLLATE %%L LC_CTYPE %%L',
              pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype) AS options
FROM pg_database
WHERE datname = %(dbname)s
