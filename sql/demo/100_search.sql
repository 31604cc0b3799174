-- What was searched: a few words by many; one search in thirteen found nothing.
INSERT INTO "search_queries" (
    "id", "userId", "term", "normalizedTerm", "resultCount", "clickedProductId", "durationMs",
    "createdAt")
SELECT 'srq_' || lpad(n::text, 7, '0'),
       CASE WHEN n % 3 > 0 THEN 'usr_' || lpad((1 + n * 104729 % users)::text, 7, '0') END,
       CASE WHEN n % 4 = 0 THEN initcap(word) ELSE word END,
       word,
       CASE WHEN n % 13 = 0 THEN 0 ELSE 1 + n * 37 % 240 END,
       CASE WHEN n % 13 > 0 AND n % 2 = 0
            THEN 'prd_' || lpad((1 + n * 7919 % products)::text, 7, '0') END,
       8 + n * 53 % 190,
       TIMESTAMP '2024-12-01' - interval '120 days' * (1 - n / total::float8)
FROM (SELECT greatest(1, round(6000 * current_setting('runbook.scale')::numeric))::bigint
          AS total) AS size
CROSS JOIN (SELECT count(*) AS users FROM "users") AS person
CROSS JOIN (SELECT count(*) AS products FROM "products") AS parent
CROSS JOIN generate_series(1, total) AS n
CROSS JOIN LATERAL (
    SELECT (ARRAY['lamp', 'desk', 'mug', 'tent', 'watch', 'camera', 'rug', 'phone', 'chair',
                  'kettle'])[1 + n * 7919 % 31 * (n * 7919 % 31) / 97]
               || CASE n % 5 WHEN 0 THEN ' black' WHEN 1 THEN ' wood' ELSE '' END AS word
) AS typed;

INSERT INTO "search_suggestions" ("id", "term", "weight", "createdAt", "updatedAt")
SELECT 'sgs_' || lpad(n::text, 7, '0'),
       'suggestion ' || n,
       n * 37 % 100,
       TIMESTAMP '2024-10-01',
       TIMESTAMP '2024-10-01'
FROM generate_series(
    1, greatest(1, round(40 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

INSERT INTO "search_synonyms" ("id", "term", "synonyms", "createdAt", "updatedAt")
VALUES
    ('syn_0000001', 'mug', '{cup, beaker}', '2024-10-01', '2024-10-01'),
    ('syn_0000002', 'rug', '{carpet, mat}', '2024-10-01', '2024-10-01'),
    ('syn_0000003', 'phone', '{mobile, handset}', '2024-10-01', '2024-10-01');

INSERT INTO "saved_searches" (
    "id", "userId", "name", "filters", "notifyByEmail", "lastRunAt", "createdAt")
SELECT 'svs_' || lpad(n::text, 7, '0'),
       'usr_' || lpad((1 + n * 31 % users)::text, 7, '0'),
       'Search ' || n,
       jsonb_build_object('maxPrice', 50 + n % 200),
       n % 2 = 0,
       TIMESTAMP '2024-11-30',
       TIMESTAMP '2024-10-01'
FROM (SELECT count(*) AS users FROM "users") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(100 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

INSERT INTO "product_views" (
    "id", "userId", "productId", "viewCount", "lastViewedAt", "createdAt")
SELECT 'pvw_' || lpad(n::text, 7, '0'),
       'usr_' || lpad(n::text, 7, '0'),
       'prd_' || lpad((1 + n * 7919 % products)::text, 7, '0'),
       1 + n % 9,
       TIMESTAMP '2024-12-01' - n % 30 * interval '1 day',
       TIMESTAMP '2024-10-01'
FROM (SELECT count(*) AS products FROM "products") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(900 * current_setting('runbook.scale')::numeric))::bigint
) AS n;
