-- Rows written while foreign keys were off are never looked at again: the main relations.
-- name: orphan_rows
-- severity: error
-- expect: no rows
-- remedy: Restore the parent or remove the child, whichever the application's owner says.
-- seen: SELECT count(*) || ' order items, and what is around them: no orphan' FROM
--     public.order_items
SELECT 'order_items.orderId' AS relation, i."id", i."orderId" AS missing
FROM public.order_items AS i
LEFT JOIN public.orders AS o ON o."id" = i."orderId"
WHERE o."id" IS NULL
UNION ALL
SELECT 'order_items.productId', i."id", i."productId"
FROM public.order_items AS i
LEFT JOIN public.products AS p ON p."id" = i."productId"
WHERE p."id" IS NULL
UNION ALL
SELECT 'orders.userId', o."id", o."userId"
FROM public.orders AS o
LEFT JOIN public.users AS u ON u."id" = o."userId"
WHERE o."userId" IS NOT NULL AND u."id" IS NULL
UNION ALL
SELECT 'products.vendorId', p."id", p."vendorId"
FROM public.products AS p
LEFT JOIN public.users AS u ON u."id" = p."vendorId"
WHERE p."vendorId" IS NOT NULL AND u."id" IS NULL
UNION ALL
SELECT 'organization_members.userId', m."id", m."userId"
FROM public.organization_members AS m
LEFT JOIN public.users AS u ON u."id" = m."userId"
WHERE u."id" IS NULL
LIMIT 1000
