-- What a subscription is made of; where it leads is in settings_connections.sql, which fewer roles may read.
WITH mine AS (
    SELECT s.*, format('pg_subscription/%s/0', s.oid) AS address
    FROM (SELECT oid, subdbid, subname, subowner, subenabled, subbinary, substream, subslotname, subsynccommit, subpublications FROM pg_subscription) AS s
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT 'owner' AS what, address, format('ALTER SUBSCRIPTION %I OWNER TO %I', subname, pg_get_userbyid(subowner)) AS back, '' AS away FROM mine
UNION ALL
SELECT 'enabled', address, format('ALTER SUBSCRIPTION %I %s', subname, CASE WHEN subenabled THEN 'ENABLE' ELSE 'DISABLE' END), '' FROM mine
UNION ALL
SELECT 'publications', address, format('ALTER SUBSCRIPTION %I SET PUBLICATION %s WITH (refresh = false)', subname,
                                       (SELECT string_agg(quote_ident(name), ', ' ORDER BY name) FROM unnest(subpublications) AS name)), ''
FROM mine
UNION ALL
SELECT 'options', address, format('ALTER SUBSCRIPTION %I SET (binary = %s, streaming = %s, synchronous_commit = %s, slot_name = %s)', subname, subbinary::text,
                                  CASE left(substream::text, 1) WHEN 'p' THEN 'parallel' WHEN 't' THEN 'true' ELSE 'false' END, subsynccommit,
                                  coalesce(quote_ident(subslotname), 'NONE')), ''
FROM mine
