-- What is set on a database itself, which no dump of it carries, as statements for another one.
WITH source AS (SELECT * FROM pg_database WHERE datname = %(dbname)s),
     defaults AS (SELECT acl.* FROM source, aclexplode(acldefault('d', datdba)) AS acl),
     given AS (SELECT acl.* FROM source, aclexplode(datacl) WITH ORDINALITY AS acl),
     names AS (SELECT 0::oid AS oid, 'PUBLIC' AS name UNION ALL SELECT oid, quote_ident(rolname) FROM pg_roles)
SELECT statement
FROM (SELECT 1 AS place, 0::bigint AS number, format('ALTER DATABASE %%I CONNECTION LIMIT %%s', %(into)s::text, datconnlimit) AS statement
      FROM source
      WHERE datconnlimit <> -1
      UNION ALL
      SELECT 2, 0, format('COMMENT ON DATABASE %%I IS %%L', %(into)s::text, shobj_description(oid, 'pg_database'))
      FROM source
      WHERE shobj_description(oid, 'pg_database') IS NOT NULL
      UNION ALL
      SELECT 3, number, format('ALTER %%s SET %%s = %%s',
                          CASE WHEN setrole = 0 THEN format('DATABASE %%I', %(into)s::text)
                               ELSE format('ROLE %%s IN DATABASE %%I', name, %(into)s::text) END,
                          quote_ident(split_part(setting, '=', 1)),
                          -- Lists are stored as they are written; a literal would be one element.
                          CASE WHEN split_part(setting, '=', 1) IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries')
                               THEN substr(setting, strpos(setting, '=') + 1)
                               ELSE quote_literal(substr(setting, strpos(setting, '=') + 1)) END)
      FROM source
      JOIN pg_db_role_setting s ON s.setdatabase = source.oid
      CROSS JOIN unnest(setconfig) WITH ORDINALITY AS set (setting, number)
      JOIN names ON names.oid = setrole
      UNION ALL
      SELECT 4, 0, format('REVOKE %%s ON DATABASE %%I FROM %%s', privilege_type, %(into)s::text, name)
      FROM defaults
      JOIN names ON names.oid = grantee
      WHERE (SELECT datacl IS NOT NULL FROM source)
        AND NOT EXISTS (SELECT FROM given WHERE given.grantee = defaults.grantee AND given.privilege_type = defaults.privilege_type)
      UNION ALL
      SELECT 5, ordinality, format('GRANT %%s ON DATABASE %%I TO %%s%%s', privilege_type, %(into)s::text, name,
                                   CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
      FROM given
      JOIN names ON names.oid = grantee
      WHERE NOT EXISTS (SELECT FROM defaults WHERE defaults.grantee = given.grantee AND defaults.privilege_type = given.privilege_type
                                               AND defaults.is_grantable = given.is_grantable)) AS found
ORDER BY place, number
