-- The navigation: the first tenth are roots, each of the others lies under one of them.
INSERT INTO "categories" (
    "id", "parentId", "name", "slug", "description", "position", "isActive", "createdAt",
    "updatedAt")
SELECT 'cat_' || lpad(n::text, 7, '0'),
       CASE WHEN n > roots THEN 'cat_' || lpad((1 + n % roots)::text, 7, '0') END,
       word || ' ' || n,
       lower(word) || '-' || n,
       'Everything in ' || lower(word) || '.',
       n % 10,
       n % 15 > 0,
       TIMESTAMP '2022-12-01',
       TIMESTAMP '2022-12-01'
FROM (SELECT greatest(1, round(120 * current_setting('runbook.scale')::numeric))::bigint AS total)
    AS size
CROSS JOIN LATERAL (SELECT greatest(1, total / 10) AS roots) AS tree
CROSS JOIN generate_series(1, total) AS n
CROSS JOIN LATERAL (
    SELECT (ARRAY['Audio', 'Books', 'Cameras', 'Garden', 'Kitchen', 'Lighting', 'Music', 'Office',
                  'Outdoor', 'Phones', 'Toys', 'Watches'])[1 + n % 12] AS word
) AS label;
