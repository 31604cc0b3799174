-- What a new database must repeat to be like this one (CREATE DATABASE options).
SELECT format('OWNER %%I ENCODING %%L LC_COLLATE %%L LC_CTYPE %%L',
              pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype)
       -- To name the template's takes a right to it that few roles have.
       || CASE WHEN dattablespace <> (SELECT t.dattablespace FROM pg_database t WHERE t.datname = 'template0')
               THEN format(' TABLESPACE %%I', spcname) ELSE '' END
       -- The columns of the other providers are newer than the oldest server.
       || CASE to_jsonb(d) ->> 'datlocprovider'
              WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %%L',
                                   coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'))
                            || coalesce(format(' ICU_RULES %%L', nullif(to_jsonb(d) ->> 'daticurules', '')), '')
              WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %%L', to_jsonb(d) ->> 'datlocale')
              ELSE ''
          END AS options
FROM pg_database d
JOIN pg_tablespace t ON t.oid = d.dattablespace
WHERE datname = %(dbname)s
