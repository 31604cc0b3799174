-- Accounts: every 60th is a vendor, every 997th an administrator, the rest are customers.
-- The rows of this directory are the same on each run: numbers come from the series, times from a
-- fixed day. An id ends in the number of its row, by which the files that follow refer to it.
-- A parent is picked with n * prime % 1000003; squared, it favours the low numbers, as custom does.
INSERT INTO "users" (
    "id", "email", "passwordHash", "name", "phone", "role", "isActive", "emailVerifiedAt",
    "lastLoginAt", "createdAt", "updatedAt")
SELECT 'usr_' || lpad(n::text, 7, '0'),
       -- Some people write their address with a capital.
       CASE WHEN n % 20 = 0 THEN first ELSE lower(first) END
           || '.' || lower(last) || n || '@example.com',
       '!' || md5(n::text),                              -- no password has this hash
       first || ' ' || last,
       CASE WHEN n % 3 > 0 THEN '+1555' || lpad(n::text, 7, '0') END,
       (CASE WHEN n % 60 = 1 THEN 'VENDOR' WHEN n % 997 = 2 THEN 'ADMIN'
             ELSE 'CUSTOMER' END)::"UserRole",
       n % 25 > 0,
       CASE WHEN n % 10 > 0 THEN joined + interval '1 hour' END,
       CASE WHEN n % 7 > 0 THEN joined + n % 90 * interval '1 day' END,
       joined,
       joined
FROM generate_series(
    1, greatest(1, round(9000 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT (ARRAY['Ada', 'Grace', 'Alan', 'Edsger', 'Barbara', 'Donald', 'Frances', 'Edgar',
                  'Radia', 'Michael', 'Karen', 'Ken', 'Margaret'])[1 + n % 13] AS first,
           (ARRAY['Lovelace', 'Hopper', 'Turing', 'Dijkstra', 'Liskov', 'Knuth', 'Allen', 'Codd',
                  'Perlman', 'Stonebraker', 'Jones', 'Thompson', 'Hamilton', 'Gray', 'Bayer',
                  'Chamberlin', 'Boyce'])[1 + n % 17] AS last,
           TIMESTAMP '2022-12-01' + n * 7919 % 700 * interval '1 day' AS joined
) AS person;

-- Requests to reset a password: two thirds were used, some of the others are still open.
INSERT INTO "password_resets" (
    "id", "userId", "tokenHash", "requestedIp", "expiresAt", "usedAt", "createdAt")
SELECT 'rst_' || lpad(n::text, 7, '0'),
       'usr_' || lpad((1 + n * 7919 % users)::text, 7, '0'),
       md5('reset' || n),
       '203.0.113.' || n % 254 + 1,
       asked + interval '1 hour',
       CASE WHEN n % 3 > 0 THEN asked + interval '7 minutes' END,
       asked
FROM (SELECT count(*) AS users FROM "users") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(600 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT TIMESTAMP '2024-12-01' - n % 180 * interval '1 day' AS asked
) AS request;
