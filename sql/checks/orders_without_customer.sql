-- An order with neither account nor e-mail can be sent to nobody; deleted accounts leave some.
-- name: orders_without_customer
-- severity: info
-- expect: no rows
-- remedy: Nothing where the account was deleted on request; otherwise look into the application's
--     log.
-- seen: SELECT count(*) || ' orders, each with a customer' FROM public.orders
SELECT "id", "orderNumber", "status", "createdAt"
FROM public.orders
WHERE "userId" IS NULL
  AND "guestEmail" IS NULL
ORDER BY "createdAt" DESC
LIMIT 1000
