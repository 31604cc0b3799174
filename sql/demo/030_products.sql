-- The catalogue: prices with a long tail, one to four tags of forty, one in ten from the house.
INSERT INTO "products" (
    "id", "vendorId", "categoryId", "name", "slug", "sku", "description", "status", "price",
    "compareAtPrice", "stock", "lowStockThreshold", "tags", "images", "averageRating",
    "reviewCount", "isActive", "createdAt", "updatedAt")
SELECT 'prd_' || lpad(n::text, 7, '0'),
       CASE WHEN n % 10 > 0
            THEN 'usr_' || lpad((1 + 60 * (n * 31 % vendors))::text, 7, '0') END,
       'cat_' || lpad((1 + n * 7919 % categories)::text, 7, '0'),
       look || ' ' || thing || ' ' || n,
       lower(look) || '-' || lower(thing) || '-' || n,
       upper(left(thing, 3)) || '-' || lpad(n::text, 7, '0'),
       CASE WHEN n % 8 > 0 THEN 'A ' || lower(look) || ' ' || lower(thing)
           || ', tested and ready to ship. ' || md5(n::text) END,
       CASE WHEN n % 100 < 82 THEN 'ACTIVE' WHEN n % 100 < 92 THEN 'DRAFT' ELSE 'ARCHIVED' END,
       cents / 100.0,
       CASE WHEN n % 5 = 0 THEN cents * 5 / 4 / 100.0 END,
       CASE WHEN n % 12 = 0 THEN 0 ELSE n * 37 % 211 END,
       5 + n % 4 * 5,
       -- A stretch of a list, so that some words are seen together; "new" is on a fifth of all.
       words[1 + n * 7919 % 37 : 1 + n * 7919 % 37 + n % 4]
           || CASE WHEN n % 5 = 0 AND n % 4 < 3 THEN ARRAY['new'] ELSE ARRAY[]::text[] END,
       ARRAY['https://img.example.com/' || n || '.webp'],
       CASE WHEN n % 3 = 0 THEN 0 ELSE 2.5 + n % 26 / 10.0 END,
       CASE WHEN n % 3 = 0 THEN 0 ELSE n % 40 END,
       n % 100 < 90,
       listed,
       listed + n % 60 * interval '1 day'
FROM (SELECT count(*) / 60 + least(1, count(*) % 60) AS vendors FROM "users") AS parent
CROSS JOIN (SELECT count(*) AS categories FROM "categories") AS shelf
CROSS JOIN (
    SELECT ARRAY['bamboo', 'bestseller', 'black', 'blue', 'budget', 'compact', 'cotton', 'eco',
                 'family', 'foldable', 'gift', 'glass', 'green', 'handmade', 'indoor', 'kids',
                 'leather', 'light', 'limited', 'luxury', 'minimal', 'modern', 'natural', 'office',
                 'organic', 'outdoor', 'portable', 'premium', 'recycled', 'red', 'retro', 'sale',
                 'slim', 'smart', 'solar', 'steel', 'travel', 'vegan', 'white', 'wood'] AS words
) AS vocabulary
CROSS JOIN generate_series(
    1, greatest(1, round(9500 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT (ARRAY['Bright', 'Calm', 'Classic', 'Compact', 'Nordic', 'Robust', 'Slim', 'Smart',
                  'Soft', 'Urban', 'Vintage'])[1 + n % 11] AS look,
           (ARRAY['Backpack', 'Bottle', 'Camera', 'Chair', 'Clock', 'Desk', 'Headphones', 'Kettle',
                  'Keyboard', 'Lamp', 'Mug', 'Notebook', 'Pan', 'Phone', 'Rug', 'Shelf', 'Speaker',
                  'Tent', 'Watch'])[1 + n % 19] AS thing,
           499 + (n * 7919 % 1009) ^ 6::numeric / 5e12 AS raw,
           TIMESTAMP '2022-12-01' + n * 7919 % 720 * interval '1 day' AS listed
) AS item
CROSS JOIN LATERAL (SELECT floor(raw)::bigint AS cents) AS price;
