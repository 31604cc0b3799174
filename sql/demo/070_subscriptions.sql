-- Three plans for everybody; the scale does not change them.
INSERT INTO "subscription_plans" (
    "id", "code", "name", "description", "interval", "price", "trialDays", "features",
    "createdAt", "updatedAt")
VALUES
    ('pln_0000001', 'basic', 'Basic', 'To begin with', 'MONTHLY', 9.00, 14, '["shop"]',
     '2023-01-01', '2023-01-01'),
    ('pln_0000002', 'plus', 'Plus', 'For regulars', 'MONTHLY', 19.00, 14, '["shop", "reports"]',
     '2023-01-01', '2023-01-01'),
    ('pln_0000003', 'pro', 'Pro', 'For a year', 'YEARLY', 190.00, 0, '["shop", "reports", "api"]',
     '2023-01-01', '2023-01-01');

INSERT INTO "subscriptions" (
    "id", "userId", "planId", "status", "currentPeriodStart", "currentPeriodEnd",
    "cancelAtPeriodEnd", "cancelledAt", "createdAt", "updatedAt")
SELECT 'sub_' || lpad(n::text, 7, '0'),
       'usr_' || lpad((1 + n * 7919 % users)::text, 7, '0'),
       'pln_' || lpad((1 + n % 3)::text, 7, '0'),
       status::"SubscriptionStatus",
       begun,
       begun + CASE WHEN n % 3 = 2 THEN interval '1 year' ELSE interval '1 month' END,
       n % 9 = 0,
       CASE WHEN status = 'CANCELLED' THEN begun + interval '10 days' END,
       begun - n % 12 * interval '30 days',
       begun
FROM (SELECT count(*) AS users FROM "users") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(500 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT TIMESTAMP '2024-12-01' - n % 28 * interval '1 day' AS begun,
           (ARRAY['ACTIVE', 'ACTIVE', 'ACTIVE', 'ACTIVE', 'TRIALING', 'PAST_DUE',
                  'CANCELLED'])[1 + n % 7] AS status
) AS period;

INSERT INTO "subscription_invoices" (
    "id", "subscriptionId", "number", "status", "amountDue", "amountPaid", "dueAt", "paidAt",
    "createdAt", "updatedAt")
SELECT 'inv_' || right(s."id", 7) || '_' || k,
       s."id",
       'SI-' || right(s."id", 7) || '-' || k,
       (CASE WHEN k = 1 THEN 'PAID' ELSE 'OPEN' END)::"SubscriptionInvoiceStatus",
       p."price",
       CASE WHEN k = 1 THEN p."price" ELSE 0 END,
       s."currentPeriodStart" + k * interval '7 days',
       CASE WHEN k = 1 THEN s."currentPeriodStart" + interval '2 days' END,
       s."currentPeriodStart",
       s."currentPeriodStart"
FROM "subscriptions" AS s
JOIN "subscription_plans" AS p ON p."id" = s."planId"
CROSS JOIN generate_series(1, 2) AS k;
