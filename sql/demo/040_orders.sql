-- Orders with one or two lines each, in the order of time: 70 % delivered, 8 % from guests.
-- One statement for both tables, so that an order's total is the sum of its lines.
SET LOCAL work_mem = '64MB';  -- the lines are read twice
WITH "line" AS MATERIALIZED (
    SELECT n,
           k,
           p."id" AS product,
           p."vendorId" AS vendor,
           p."name",
           p."sku",
           p."price",
           1 + (n + k) % 11 / 9 AS quantity,
           TIMESTAMP '2024-12-01' - interval '540 days' * (1 - n / orders::float8) AS ordered
    FROM (SELECT greatest(1, round(48000 * current_setting('runbook.scale')::numeric))::bigint
              AS orders) AS size
    CROSS JOIN (SELECT count(*) AS products FROM "products") AS parent
    CROSS JOIN generate_series(1, orders) AS n
    CROSS JOIN generate_series(1, 1 + n % 2) AS k
    CROSS JOIN LATERAL (SELECT (n * 3 + k) * 7919 % 1000003 AS r) AS dice
    JOIN "products" AS p
        ON p."id" = 'prd_' || lpad((1 + products * r * r / 1000003 / 1000003)::text, 7, '0')
), "sum" AS (
    SELECT n, min(ordered) AS ordered, sum("price" * quantity) AS subtotal
    FROM "line"
    GROUP BY n
    ORDER BY n
), "order" AS (
    INSERT INTO "orders" (
        "id", "userId", "guestEmail", "orderNumber", "status", "subtotal", "taxAmount",
        "shippingAmount", "total", "paymentMethod", "shippingAddress", "trackingNumber", "carrier",
        "shippedAt", "deliveredAt", "createdAt", "updatedAt")
    SELECT 'ord_' || lpad(n::text, 7, '0'),
           CASE WHEN NOT guest
                THEN 'usr_' || lpad((1 + users * r * r / 1000003 / 1000003)::text, 7, '0') END,
           CASE WHEN guest THEN 'guest' || n % 2999 || '@example.org' END,
           'CB-' || lpad(n::text, 8, '0'),
           status::"OrderStatus",
           subtotal,
           round(subtotal * 0.08, 2),
           shipping,
           subtotal + round(subtotal * 0.08, 2) + shipping,
           (ARRAY['card', 'card', 'card', 'paypal', 'bnpl'])[1 + n % 5],
           jsonb_build_object('city', (ARRAY['Austin', 'Boston', 'Denver', 'Miami', 'Portland',
               'Seattle', 'Tucson'])[1 + n % 7], 'zip', lpad((n * 37 % 99999)::text, 5, '0')),
           -- One parcel in eleven is handed over without a number.
           CASE WHEN sent AND n % 11 > 0 THEN 'TRK' || lpad((n * 7919 % 1000003)::text, 9, '0') END,
           CASE WHEN sent THEN (ARRAY['UPS', 'USPS', 'FedEx', 'DHL'])[1 + n % 4] END,
           CASE WHEN sent THEN ordered + interval '1 day' END,
           CASE WHEN status = 'DELIVERED' THEN ordered + interval '4 days' END,
           ordered,
           ordered + interval '4 days'
    FROM "sum"
    CROSS JOIN (SELECT count(*) AS users FROM "users") AS parent
    CROSS JOIN LATERAL (
        SELECT n * 104729 % 1000003 AS r,
               n * 53 % 99 < 8 AS guest,
               CASE WHEN n * 37 % 100 < 70 THEN 'DELIVERED' WHEN n * 37 % 100 < 80 THEN 'SHIPPED'
                    WHEN n * 37 % 100 < 88 THEN 'PROCESSING' WHEN n * 37 % 100 < 93 THEN 'PENDING'
                    WHEN n * 37 % 100 < 98 THEN 'CANCELLED' ELSE 'REFUNDED' END AS status,
               CASE WHEN subtotal < 50 THEN 4.99 ELSE 0 END AS shipping
    ) AS dice
    CROSS JOIN LATERAL (SELECT status IN ('SHIPPED', 'DELIVERED', 'REFUNDED') AS sent) AS parcel
)
INSERT INTO "order_items" (
    "id", "orderId", "productId", "vendorId", "productName", "sku", "quantity", "unitPrice",
    "total", "createdAt")
SELECT 'itm_' || lpad(n::text, 7, '0') || '_' || k,
       'ord_' || lpad(n::text, 7, '0'),
       product,
       vendor,
       "name",
       "sku",
       quantity,
       "price",
       "price" * quantity,
       ordered
FROM "line";
