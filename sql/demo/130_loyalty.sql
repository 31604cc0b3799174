-- Four tiers and twelve rewards for everybody; the scale does not change them.
INSERT INTO "loyalty_tiers" (
    "id", "name", "minimumPoints", "pointsMultiplier", "position", "createdAt", "updatedAt")
VALUES
    ('tir_0000001', 'Bronze', 0, 1.00, 1, '2023-01-01', '2023-01-01'),
    ('tir_0000002', 'Silver', 1000, 1.25, 2, '2023-01-01', '2023-01-01'),
    ('tir_0000003', 'Gold', 5000, 1.50, 3, '2023-01-01', '2023-01-01'),
    ('tir_0000004', 'Platinum', 20000, 2.00, 4, '2023-01-01', '2023-01-01');

INSERT INTO "rewards" (
    "id", "name", "type", "pointsCost", "value", "stock", "createdAt", "updatedAt")
SELECT 'rwd_' || lpad(n::text, 7, '0'),
       'Reward ' || n,
       (ARRAY['DISCOUNT', 'FREE_SHIPPING', 'PRODUCT', 'STORE_CREDIT'])[1 + n % 4]::"RewardType",
       n * 100,
       n,
       CASE WHEN n % 4 = 2 THEN 50 END,
       TIMESTAMP '2023-01-01',
       TIMESTAMP '2023-01-01'
FROM generate_series(1, 12) AS n;

-- The first customers take part, and earn 20 points at a time, six times each.
INSERT INTO "customer_loyalty" (
    "id", "userId", "tierId", "pointsBalance", "lifetimePoints", "referralCode", "enrolledAt",
    "createdAt", "updatedAt")
SELECT 'loy_' || lpad(n::text, 7, '0'),
       'usr_' || lpad(n::text, 7, '0'),
       'tir_0000001',
       120,
       120,
       upper(left(md5(n::text), 6)) || n,
       TIMESTAMP '2024-01-01',
       TIMESTAMP '2024-01-01',
       TIMESTAMP '2024-11-01'
FROM generate_series(
    1, greatest(1, round(900 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

INSERT INTO "point_transactions" (
    "id", "loyaltyId", "orderId", "type", "points", "balanceAfter", "description", "expiresAt",
    "createdAt")
SELECT 'ptx_' || right("id", 7) || '_' || k,
       "id",
       CASE WHEN k % 2 = 0
            THEN 'ord_' || lpad((1 + (number * 7 + k) * 7919 % orders)::text, 7, '0') END,
       'EARNED',
       20,
       20 * k,
       CASE WHEN k % 2 = 0 THEN 'Order' ELSE 'Campaign' END,
       "enrolledAt" + interval '2 years',
       "enrolledAt" + k * interval '30 days'
FROM "customer_loyalty"
CROSS JOIN (SELECT count(*) AS orders FROM "orders") AS parent
CROSS JOIN generate_series(1, 6) AS k
CROSS JOIN LATERAL (SELECT right("id", 7)::bigint AS number) AS self;

INSERT INTO "reward_redemptions" (
    "id", "loyaltyId", "rewardId", "status", "pointsSpent", "fulfilledAt", "createdAt",
    "updatedAt")
SELECT 'rdm_' || lpad(n::text, 7, '0'),
       'loy_' || lpad((1 + n * 7 % members)::text, 7, '0'),
       'rwd_' || lpad((1 + n % 12)::text, 7, '0'),
       (ARRAY['FULFILLED', 'FULFILLED', 'PENDING', 'CANCELLED'])[1 + n % 4]::"RedemptionStatus",
       0,
       CASE WHEN n % 4 < 2 THEN TIMESTAMP '2024-11-05' END,
       TIMESTAMP '2024-11-01',
       TIMESTAMP '2024-11-05'
FROM (SELECT count(*) AS members FROM "customer_loyalty") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(80 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

INSERT INTO "referrals" (
    "id", "referrerId", "email", "code", "status", "rewardPoints", "createdAt", "updatedAt")
SELECT 'ref_' || lpad(n::text, 7, '0'),
       'usr_' || lpad((1 + n * 31 % users)::text, 7, '0'),
       'friend' || n || '@example.net',
       left(md5('ref' || n), 8),
       (ARRAY['INVITED', 'INVITED', 'EXPIRED'])[1 + n % 3]::"ReferralStatus",
       0,
       TIMESTAMP '2024-08-01',
       TIMESTAMP '2024-08-01'
FROM (SELECT count(*) AS users FROM "users") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(120 * current_setting('runbook.scale')::numeric))::bigint
) AS n;
