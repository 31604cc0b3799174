-- Each product recommends its neighbours in the list.
INSERT INTO "product_recommendations" (
    "id", "productId", "recommendedId", "kind", "score", "createdAt")
SELECT 'prc_' || lpad(n::text, 7, '0'),
       'prd_' || lpad((1 + (n - 1) % products)::text, 7, '0'),
       'prd_' || lpad((1 + n % products)::text, 7, '0'),
       (ARRAY['SIMILAR', 'BOUGHT_TOGETHER', 'TRENDING'])[1 + n % 3]::"RecommendationKind",
       n * 37 % 1000 / 1000.0,
       TIMESTAMP '2024-11-30'
FROM (SELECT count(*) AS products FROM "products") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(900 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

INSERT INTO "user_recommendations" (
    "id", "userId", "productId", "kind", "score", "isDismissed", "expiresAt", "createdAt")
SELECT 'urc_' || lpad(n::text, 7, '0'),
       'usr_' || lpad(n::text, 7, '0'),
       'prd_' || lpad((1 + n * 7919 % products)::text, 7, '0'),
       'PERSONAL',
       n * 53 % 1000 / 1000.0,
       n % 30 = 0,
       TIMESTAMP '2024-12-07',
       TIMESTAMP '2024-11-30'
FROM (SELECT count(*) AS products FROM "products") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(600 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

-- What was done in the shop, in the order of time; a third of it without an account.
INSERT INTO "user_behaviors" ("id", "userId", "productId", "type", "sessionId", "createdAt")
SELECT 'bhv_' || lpad(n::text, 7, '0'),
       CASE WHEN n % 3 > 0
            THEN 'usr_' || lpad((1 + users * r * r / 1000003 / 1000003)::text, 7, '0') END,
       CASE WHEN n % 7 > 0 THEN 'prd_' || lpad((1 + n * 104729 % products)::text, 7, '0') END,
       (CASE WHEN n % 7 = 0 THEN 'SEARCH' WHEN n % 10 < 7 THEN 'VIEW'
             WHEN n % 10 = 7 THEN 'WISHLIST' WHEN n % 10 = 8 THEN 'ADD_TO_CART'
             ELSE 'PURCHASE' END)::"BehaviorType",
       's' || n / 6,
       TIMESTAMP '2024-12-01' - interval '90 days' * (1 - n / total::float8)
FROM (SELECT greatest(1, round(7000 * current_setting('runbook.scale')::numeric))::bigint
          AS total) AS size
CROSS JOIN (SELECT count(*) AS users FROM "users") AS person
CROSS JOIN (SELECT count(*) AS products FROM "products") AS parent
CROSS JOIN generate_series(1, total) AS n
CROSS JOIN LATERAL (SELECT n * 7919 % 1000003 AS r) AS dice;

INSERT INTO "user_preferences" (
    "id", "userId", "favoriteTags", "priceMin", "priceMax", "allowsPersonalization", "createdAt",
    "updatedAt")
SELECT 'upr_' || lpad(n::text, 7, '0'),
       'usr_' || lpad(n::text, 7, '0'),
       (ARRAY['eco', 'gift', 'retro', 'smart', 'travel', 'wood'])[1 + n % 4 : 3 + n % 4],
       n % 20,
       100 + n % 400,
       n % 3 > 0,
       TIMESTAMP '2024-10-01',
       TIMESTAMP '2024-11-30'
FROM generate_series(
    1, greatest(1, round(400 * current_setting('runbook.scale')::numeric))::bigint
) AS n;
