-- Where subscriptions lead: a superuser's alone to read, for there may be a password in it.
SELECT 'connection' AS what, format('pg_subscription/%s/0', oid) AS address, format('ALTER SUBSCRIPTION %I CONNECTION %L', subname, subconninfo) AS back, '' AS away
FROM pg_subscription
WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
-- The options that not every version has, as one thing.
SELECT 'further options', format('pg_subscription/%s/0', oid),
       (to_jsonb(s) - ARRAY['oid', 'subdbid', 'subname', 'subowner', 'subenabled', 'subconninfo', 'subpublications', 'subskiplsn', 'subtwophasestate'])::text, ''
FROM pg_subscription s
WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
