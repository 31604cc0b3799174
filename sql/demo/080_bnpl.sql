-- Every 120th order is paid in four parts, two weeks apart; the first is always paid.
INSERT INTO "bnpl_payment_plans" (
    "id", "orderId", "userId", "provider", "providerReference", "status", "totalAmount",
    "installmentCount", "createdAt", "updatedAt")
SELECT 'bnp_' || right("id", 7),
       "id",
       "userId",
       (ARRAY['KLARNA', 'AFFIRM', 'AFTERPAY'])[1 + number / 120 % 3]::"BnplProvider",
       'ref-' || md5("id"),
       (CASE WHEN number % 720 = 1 THEN 'DEFAULTED' ELSE 'ACTIVE' END)::"BnplPlanStatus",
       "total",
       4,
       "createdAt",
       "createdAt"
FROM "orders"
CROSS JOIN LATERAL (SELECT right("id", 7)::bigint AS number) AS self
WHERE number % 120 = 1;

INSERT INTO "bnpl_installments" (
    "id", "planId", "sequence", "amount", "status", "dueDate", "paidAt", "createdAt", "updatedAt")
SELECT 'ins_' || right("id", 7) || '_' || k,
       "id",
       k,
       -- The last part takes the cent that the division leaves over.
       CASE WHEN k < 4 THEN part ELSE "totalAmount" - 3 * part END,
       (CASE WHEN paid THEN 'PAID' WHEN due < DATE '2024-12-01' THEN 'OVERDUE'
             ELSE 'PENDING' END)::"InstallmentStatus",
       due,
       CASE WHEN paid THEN due::timestamp END,
       "createdAt",
       "createdAt"
FROM "bnpl_payment_plans"
CROSS JOIN generate_series(1, 4) AS k
CROSS JOIN LATERAL (
    SELECT trunc("totalAmount" / 4, 2) AS part,
           "createdAt"::date + 14 * (k - 1) AS due
) AS split
CROSS JOIN LATERAL (
    SELECT k = 1 OR ("status" = 'ACTIVE' AND due < DATE '2024-12-01') AS paid
) AS state;
