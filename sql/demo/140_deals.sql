-- Deals of ten days, one after the other up to the fixed day; the last ones are still on.
INSERT INTO "deals" (
    "id", "name", "slug", "type", "discountPercent", "startsAt", "endsAt", "isActive",
    "maxPurchases", "createdAt", "updatedAt")
SELECT 'del_' || lpad(n::text, 7, '0'),
       'Deal ' || n,
       'deal-' || n,
       (ARRAY['FLASH_SALE', 'DAILY', 'SEASONAL', 'CLEARANCE'])[1 + n % 4]::"DealType",
       5 + n % 9 * 5,
       begun,
       begun + interval '10 days',
       n < 4,
       CASE WHEN n % 3 = 0 THEN 200 END,
       begun - interval '7 days',
       begun
FROM generate_series(
    1, greatest(1, round(24 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (SELECT TIMESTAMP '2024-12-05' - n * interval '9 days' AS begun) AS span;

INSERT INTO "deal_products" (
    "id", "dealId", "productId", "dealPrice", "stockLimit", "createdAt")
SELECT 'dpr_' || right(d."id", 7) || '_' || p."id",
       d."id",
       p."id",
       round(p."price" * (1 - d."discountPercent" / 100), 2),
       100,
       d."createdAt"
FROM "deals" AS d
CROSS JOIN (SELECT "id", "price" FROM "products" ORDER BY "id" LIMIT 10) AS p;

INSERT INTO "deal_purchases" (
    "id", "dealId", "productId", "userId", "quantity", "pricePaid", "createdAt")
SELECT 'dpu_' || lpad(n::text, 7, '0'),
       'del_' || lpad((1 + n % deals)::text, 7, '0'),
       'prd_' || lpad((1 + n % least(10, products))::text, 7, '0'),
       'usr_' || lpad((1 + n * 7919 % users)::text, 7, '0'),
       1,
       10 + n % 50,
       TIMESTAMP '2024-11-30' - n % 100 * interval '1 day'
FROM (SELECT count(*) AS users FROM "users") AS buyer
CROSS JOIN (SELECT count(*) AS products FROM "products") AS catalogue
CROSS JOIN (SELECT count(*) AS deals FROM "deals") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(400 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

INSERT INTO "deal_notifications" ("id", "dealId", "userId", "status", "sentAt", "createdAt")
SELECT 'dnt_' || lpad(n::text, 7, '0'),
       'del_' || lpad((1 + n % deals)::text, 7, '0'),
       'usr_' || lpad(n::text, 7, '0'),
       (CASE WHEN n % 2 = 0 THEN 'SENT' ELSE 'PENDING' END)::"DealNotificationStatus",
       CASE WHEN n % 2 = 0 THEN TIMESTAMP '2024-11-25' END,
       TIMESTAMP '2024-11-20'
FROM (SELECT count(*) AS deals FROM "deals") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(120 * current_setting('runbook.scale')::numeric))::bigint
) AS n;
