-- One review each by the first customers, most of them content; a tenth waits for approval.
INSERT INTO "reviews" (
    "id", "userId", "productId", "rating", "title", "body", "isVerifiedPurchase", "isApproved",
    "helpfulCount", "createdAt", "updatedAt")
SELECT 'rev_' || lpad(n::text, 7, '0'),
       'usr_' || lpad(n::text, 7, '0'),
       'prd_' || lpad((1 + products * r * r / 1000003 / 1000003)::text, 7, '0'),
       (ARRAY[5, 5, 4, 5, 3, 4, 5, 2, 4, 1])[1 + n % 10],
       (ARRAY['Love it', 'As described', 'Good value', 'Not for me'])[1 + n % 4],
       CASE WHEN n % 6 > 0 THEN 'Used it for ' || n % 50 + 1 || ' days. ' || md5(n::text) END,
       n % 4 > 0,
       n % 10 > 0,
       n % 23,
       written,
       written
FROM (SELECT count(*) AS products FROM "products") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(5000 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT n * 7919 % 1000003 AS r,
           TIMESTAMP '2024-12-01' - n * 37 % 500 * interval '1 day' AS written
) AS dice;

INSERT INTO "wishlist" ("id", "userId", "productId", "note", "createdAt")
SELECT 'wsh_' || lpad(n::text, 7, '0'),
       'usr_' || lpad(n::text, 7, '0'),
       'prd_' || lpad((1 + n * 104729 % products)::text, 7, '0'),
       CASE WHEN n % 5 = 0 THEN 'for the holidays' END,
       TIMESTAMP '2024-12-01' - n * 53 % 300 * interval '1 day'
FROM (SELECT count(*) AS products FROM "products") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(900 * current_setting('runbook.scale')::numeric))::bigint
) AS n;
