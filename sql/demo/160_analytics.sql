-- One row a product and day, for as many days as fit.
INSERT INTO "product_analytics" (
    "id", "productId", "date", "views", "addToCarts", "purchases", "revenue", "conversionRate",
    "createdAt", "updatedAt")
SELECT 'pan_' || lpad(n::text, 7, '0'),
       'prd_' || lpad((1 + (n - 1) % products)::text, 7, '0'),
       day,
       10 + sales * 37,
       sales * 4,
       sales,
       sales * (499 + n * 7919 % 9001) / 100.0,
       CASE WHEN sales > 0 THEN 2.7 ELSE 0 END,
       day + interval '1 day',
       day + interval '1 day'
FROM (SELECT count(*) AS products FROM "products") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(47500 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT DATE '2024-11-30' - ((n - 1) / products)::integer AS day,
           n * 7919 % 29 * (n * 7919 % 29) / 90 AS sales
) AS figure;

INSERT INTO "vendor_analytics" (
    "id", "vendorId", "date", "orders", "unitsSold", "revenue", "commission", "returns",
    "averageRating", "createdAt", "updatedAt")
SELECT 'van_' || lpad(n::text, 7, '0'),
       'usr_' || lpad((1 + 60 * ((n - 1) % vendors))::text, 7, '0'),
       day,
       sold,
       sold * 2,
       sold * 4250 / 100.0,
       sold * 425 / 100.0,
       sold / 15,
       3 + n % 20 / 10.0,
       day + interval '1 day',
       day + interval '1 day'
FROM (SELECT count(*) / 60 + least(1, count(*) % 60) AS vendors FROM "users") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(9000 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT DATE '2024-11-30' - ((n - 1) / vendors)::integer AS day,
           n * 7919 % 41 AS sold
) AS figure;

INSERT INTO "category_analytics" (
    "id", "categoryId", "date", "views", "orders", "revenue", "createdAt", "updatedAt")
SELECT 'can_' || lpad(n::text, 7, '0'),
       'cat_' || lpad((1 + (n - 1) % categories)::text, 7, '0'),
       day,
       n * 37 % 900,
       n * 53 % 60,
       n * 53 % 60 * 39.90,
       day + interval '1 day',
       day + interval '1 day'
FROM (SELECT count(*) AS categories FROM "categories") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(3600 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT DATE '2024-11-30' - ((n - 1) / categories)::integer AS day
) AS figure;

-- Days, and of the same figures weeks (from Monday) and months, summed up from the orders.
INSERT INTO "revenue_analytics" (
    "id", "period", "date", "grossRevenue", "refunds", "netRevenue", "orders",
    "averageOrderValue", "createdAt", "updatedAt")
SELECT 'rvn_' || left(period, 1) || to_char(day, 'YYYYMMDD'),
       period::"AnalyticsPeriod",
       day,
       gross,
       refunds,
       gross - refunds,
       orders,
       round(gross / orders, 2),
       day + interval '1 day',
       day + interval '1 day'
FROM (
    SELECT period,
           date_trunc(lower(period), "createdAt")::date AS day,
           sum("total") AS gross,
           coalesce(sum("total") FILTER (WHERE "status" = 'REFUNDED'), 0) AS refunds,
           count(*) AS orders
    FROM "orders"
    CROSS JOIN unnest(ARRAY['DAY', 'WEEK', 'MONTH']) AS period
    GROUP BY 1, 2
) AS figure;

-- Six sources and three devices a day.
INSERT INTO "traffic_analytics" (
    "id", "date", "source", "device", "sessions", "visitors", "pageViews", "bounces",
    "averageDurationMs", "createdAt", "updatedAt")
SELECT 'trf_' || lpad(n::text, 7, '0'),
       day,
       (ARRAY['direct', 'search', 'social', 'email', 'ads', 'partner'])[1 + n % 6],
       (ARRAY['desktop', 'mobile', 'tablet'])[1 + n / 6 % 3],
       sessions,
       sessions * 4 / 5,
       sessions * 5,
       sessions / 3,
       20000 + n * 53 % 90000,
       day + interval '1 day',
       day + interval '1 day'
FROM generate_series(
    0, greatest(1, round(5400 * current_setting('runbook.scale')::numeric))::bigint - 1
) AS n
CROSS JOIN LATERAL (
    SELECT DATE '2024-11-30' - (n / 18)::integer AS day,
           40 + n * 7919 % 2003 AS sessions
) AS figure;
