-- Campaigns of the vendors, four ads and ten keywords each.
INSERT INTO "ad_campaigns" (
    "id", "vendorId", "name", "status", "dailyBudget", "totalBudget", "spent", "startsAt",
    "endsAt", "createdAt", "updatedAt")
SELECT 'cmp_' || lpad(n::text, 7, '0'),
       'usr_' || lpad((1 + 60 * (n * 31 % vendors))::text, 7, '0'),
       'Campaign ' || n,
       (ARRAY['ACTIVE', 'ACTIVE', 'PAUSED', 'COMPLETED', 'DRAFT'])[1 + n % 5]::"AdCampaignStatus",
       20 + n % 9 * 10,
       600 + n % 9 * 300,
       n * 37 % 600,
       begun,
       CASE WHEN n % 3 > 0 THEN begun + interval '90 days' END,
       begun,
       begun
FROM (SELECT count(*) / 60 + least(1, count(*) % 60) AS vendors FROM "users") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(60 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT TIMESTAMP '2024-06-01' + n * 37 % 120 * interval '1 day' AS begun
) AS span;

INSERT INTO "advertisements" (
    "id", "campaignId", "productId", "title", "body", "imageUrl", "targetUrl", "placement",
    "status", "costPerClick", "createdAt", "updatedAt")
SELECT 'adv_' || lpad(n::text, 7, '0'),
       'cmp_' || lpad((1 + (n - 1) / 4)::text, 7, '0'),
       CASE WHEN n % 6 > 0 THEN 'prd_' || lpad((1 + n * 7919 % products)::text, 7, '0') END,
       'Ad ' || n,
       'Now in the shop.',
       'https://img.example.com/ad/' || n || '.webp',
       'https://shop.example.com/a/' || n,
       (ARRAY['HOME', 'SEARCH', 'CATEGORY', 'PRODUCT', 'EMAIL'])[1 + n % 5]::"AdPlacement",
       (ARRAY['ACTIVE', 'ACTIVE', 'ACTIVE', 'PAUSED', 'PENDING_REVIEW'])[1 + n % 5]::"AdStatus",
       0.10 + n % 13 * 0.05,
       TIMESTAMP '2024-06-01',
       TIMESTAMP '2024-06-01'
FROM (SELECT count(*) AS products FROM "products") AS parent
CROSS JOIN (SELECT count(*) AS campaigns FROM "ad_campaigns") AS owner
CROSS JOIN generate_series(1, campaigns * 4) AS n;

INSERT INTO "ad_keywords" (
    "id", "campaignId", "keyword", "matchType", "bid", "isNegative", "createdAt")
SELECT 'kwd_' || lpad(n::text, 7, '0'),
       'cmp_' || lpad((1 + (n - 1) / 10)::text, 7, '0'),
       (ARRAY['lamp', 'desk', 'mug', 'tent', 'watch', 'camera', 'rug', 'phone', 'chair',
              'kettle'])[1 + n % 10],
       (ARRAY['EXACT', 'PHRASE', 'BROAD'])[1 + n % 3]::"KeywordMatchType",
       0.20 + n % 7 * 0.10,
       n % 19 = 0,
       TIMESTAMP '2024-06-01'
FROM (SELECT count(*) AS campaigns FROM "ad_campaigns") AS parent
CROSS JOIN generate_series(1, campaigns * 10) AS n;

-- What was shown, in the order of time; half of the viewers were signed in.
INSERT INTO "ad_impressions" (
    "id", "adId", "userId", "placement", "sessionId", "cost", "createdAt")
SELECT 'imp_' || lpad(n::text, 7, '0'),
       'adv_' || lpad((1 + ads * r * r / 1000003 / 1000003)::text, 7, '0'),
       CASE WHEN n % 2 = 0 THEN 'usr_' || lpad((1 + n * 104729 % users)::text, 7, '0') END,
       (ARRAY['HOME', 'SEARCH', 'CATEGORY', 'PRODUCT', 'EMAIL'])[1 + n % 5]::"AdPlacement",
       's' || n / 4,
       0.01,
       TIMESTAMP '2024-12-01' - interval '120 days' * (1 - n / total::float8)
FROM (SELECT greatest(1, round(10000 * current_setting('runbook.scale')::numeric))::bigint
          AS total) AS size
CROSS JOIN (SELECT count(*) AS ads FROM "advertisements") AS parent
CROSS JOIN (SELECT count(*) AS users FROM "users") AS viewer
CROSS JOIN generate_series(1, total) AS n
CROSS JOIN LATERAL (SELECT n * 7919 % 1000003 AS r) AS dice;

-- Every 10th impression was clicked, seconds later.
INSERT INTO "ad_clicks" (
    "id", "adId", "userId", "impressionId", "sessionId", "cost", "isConverted", "createdAt")
SELECT 'clk_' || lpad((row_number() OVER (ORDER BY "id"))::text, 7, '0'),
       "adId",
       "userId",
       "id",
       "sessionId",
       0.25,
       right("id", 3) = '001',
       "createdAt" + interval '9 seconds'
FROM "ad_impressions"
WHERE right("id", 1) = '1';
