-- Gift cards: every second was used for 10, and the ledger says so.
INSERT INTO "gift_cards" (
    "id", "code", "purchaserId", "recipientEmail", "status", "initialAmount", "balance", "message",
    "expiresAt", "createdAt", "updatedAt")
SELECT 'gft_' || lpad(n::text, 7, '0'),
       'GIFT-' || upper(left(md5('gift' || n), 10)) || '-' || n,
       'usr_' || lpad((1 + n * 7919 % users)::text, 7, '0'),
       'friend' || n || '@example.net',
       'ACTIVE',
       amount,
       CASE WHEN n % 2 = 0 THEN amount - 10 ELSE amount END,
       CASE WHEN n % 3 = 0 THEN 'All the best!' END,
       bought + interval '2 years',
       bought,
       bought
FROM (SELECT count(*) AS users FROM "users") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(300 * current_setting('runbook.scale')::numeric))::bigint
) AS n
CROSS JOIN LATERAL (
    SELECT (ARRAY[25, 50, 100])[1 + n % 3] AS amount,
           TIMESTAMP '2024-12-01' - n % 300 * interval '1 day' AS bought
) AS card;

INSERT INTO "gift_card_transactions" (
    "id", "giftCardId", "orderId", "type", "amount", "balanceAfter", "createdAt")
SELECT 'gtx_' || right("id", 7) || '_1',
       "id",
       NULL,
       'ISSUE'::"GiftCardTransactionType",
       "initialAmount",
       "initialAmount",
       "createdAt"
FROM "gift_cards"
UNION ALL
SELECT 'gtx_' || right("id", 7) || '_2',
       "id",
       'ord_' || lpad((1 + right("id", 7)::bigint * 7919 % orders)::text, 7, '0'),
       'REDEEM',
       10,
       "balance",
       "createdAt" + interval '1 day'
FROM "gift_cards"
CROSS JOIN (SELECT count(*) AS orders FROM "orders") AS parent
WHERE "balance" < "initialAmount";

-- Store credit after a return.
INSERT INTO "store_credits" ("id", "userId", "balance", "createdAt", "updatedAt")
SELECT 'crd_' || lpad(n::text, 7, '0'),
       'usr_' || lpad(n::text, 7, '0'),
       5 + n % 60,
       TIMESTAMP '2024-09-01',
       TIMESTAMP '2024-09-01'
FROM generate_series(
    1, greatest(1, round(200 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

INSERT INTO "store_credit_transactions" (
    "id", "storeCreditId", "orderId", "type", "amount", "balanceAfter", "reason", "createdAt")
SELECT 'ctx_' || right("id", 7),
       "id",
       'ord_' || lpad((1 + right("id", 7)::bigint * 104729 % orders)::text, 7, '0'),
       'CREDIT',
       "balance",
       "balance",
       'Return',
       "createdAt"
FROM "store_credits"
CROSS JOIN (SELECT count(*) AS orders FROM "orders") AS parent;
