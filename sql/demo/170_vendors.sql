-- A profile for each user who is a vendor, with the application that led to it.
INSERT INTO "vendor_profiles" (
    "id", "userId", "businessName", "slug", "supportEmail", "status", "payoutMethod",
    "commissionRate", "averageRating", "isVerified", "approvedAt", "createdAt", "updatedAt")
SELECT 'vnd_' || right("id", 7),
       "id",
       "name" || ' Trading',
       'shop-' || number,
       lower("email"),
       (ARRAY['ACTIVE', 'ACTIVE', 'ACTIVE', 'ACTIVE', 'SUSPENDED',
              'PENDING'])[1 + number % 6]::"VendorStatus",
       (ARRAY['BANK_TRANSFER', 'PAYPAL', 'STRIPE'])[1 + number % 3]::"PayoutMethod",
       10,
       4.2,
       number % 6 < 4,
       "createdAt" + interval '5 days',
       "createdAt",
       "createdAt"
FROM "users"
CROSS JOIN LATERAL (SELECT right("id", 7)::bigint / 60 AS number) AS self
WHERE "role" = 'VENDOR';

INSERT INTO "vendor_applications" (
    "id", "userId", "status", "businessName", "businessType", "submittedAt", "reviewedAt",
    "createdAt", "updatedAt")
SELECT 'vap_' || right("id", 7),
       "userId",
       (CASE "status" WHEN 'PENDING' THEN 'SUBMITTED'
                      ELSE 'APPROVED' END)::"VendorApplicationStatus",
       "businessName",
       'company',
       "createdAt" + interval '1 day',
       CASE WHEN "status" <> 'PENDING' THEN "approvedAt" END,
       "createdAt",
       "createdAt"
FROM "vendor_profiles";

-- Four months of payouts; the last one is still to be paid.
INSERT INTO "vendor_payouts" (
    "id", "vendorId", "number", "status", "method", "grossAmount", "commission", "netAmount",
    "periodStart", "periodEnd", "reference", "paidAt", "createdAt", "updatedAt")
SELECT 'pay_' || right("id", 7) || '_' || k,
       "id",
       'PO-' || right("id", 7) || '-' || k,
       (CASE WHEN k < 4 THEN 'PAID' ELSE 'PENDING' END)::"PayoutStatus",
       "payoutMethod",
       1000 + k * 100,
       100 + k * 10,
       900 + k * 90,
       month,
       (month + interval '1 month - 1 day')::date,
       CASE WHEN k < 4 THEN md5("id" || k) END,
       CASE WHEN k < 4 THEN month + interval '1 month 3 days' END,
       month + interval '1 month',
       month + interval '1 month'
FROM "vendor_profiles"
CROSS JOIN generate_series(1, 4) AS k
CROSS JOIN LATERAL (
    SELECT (DATE '2024-07-01' + k * interval '1 month')::date AS month
) AS span;

-- One rule for all, and a better rate for every fourth vendor.
INSERT INTO "vendor_commission_rules" (
    "id", "vendorId", "rate", "priority", "validFrom", "isActive", "createdAt", "updatedAt")
SELECT 'vcr_0000000', NULL, 10, 0, TIMESTAMP '2023-01-01', true, TIMESTAMP '2023-01-01',
       TIMESTAMP '2023-01-01'
UNION ALL
SELECT 'vcr_' || right("id", 7), "id", 8, 10, TIMESTAMP '2024-01-01', true,
       TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01'
FROM "vendor_profiles"
WHERE right("id", 7)::bigint / 60 % 4 = 0;

INSERT INTO "vendor_performance_metrics" (
    "id", "vendorId", "periodStart", "periodEnd", "ordersFulfilled", "ordersCancelled",
    "onTimeRate", "returnRate", "responseMinutes", "averageRating", "score", "createdAt")
SELECT 'vpm_' || right("id", 7) || '_' || k,
       "id",
       month,
       (month + interval '1 month - 1 day')::date,
       40 + number * 7 % 90,
       number % 6,
       85 + number % 15,
       number % 8,
       10 + number % 200,
       4.2,
       60 + number * 37 % 40,
       month + interval '1 month'
FROM "vendor_profiles"
CROSS JOIN generate_series(1, 6) AS k
CROSS JOIN LATERAL (
    SELECT (DATE '2024-05-01' + k * interval '1 month')::date AS month,
           right("id", 7)::bigint / 60 + k AS number
) AS span;
