-- An enum lives on with the labels it was first given: are those that the application uses there?
-- name: enum_labels
-- severity: error
-- expect: no rows
-- remedy: ALTER TYPE ... ADD VALUE for the label that is missing.
-- seen: SELECT count(*) || ' labels of ' || count(DISTINCT enumtypid) || ' enums, none missing'
--     FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid WHERE typnamespace =
--     'public'::regnamespace
SELECT enum, label AS missing
FROM (VALUES
    ('UserRole', '{CUSTOMER, VENDOR, ADMIN}'::text[]),
    ('OrderStatus', '{PENDING, PROCESSING, SHIPPED, DELIVERED, CANCELLED, REFUNDED}'),
    ('BnplProvider', '{KLARNA, AFFIRM, AFTERPAY}'),
    ('VendorStatus', '{PENDING, ACTIVE, SUSPENDED, TERMINATED}'),
    ('VendorApplicationStatus',
     '{DRAFT, SUBMITTED, UNDER_REVIEW, APPROVED, REJECTED, WITHDRAWN}'),
    ('PayoutStatus', '{PENDING, PROCESSING, PAID, FAILED, CANCELLED}'),
    ('PayoutMethod', '{BANK_TRANSFER, PAYPAL, STRIPE, CHECK}'),
    ('OrganizationType', '{INDIVIDUAL, SMALL_BUSINESS, ENTERPRISE}'),
    ('OrganizationStatus',
     '{PENDING_VERIFICATION, VERIFIED, ACTIVE, SUSPENDED, REJECTED, CLOSED}'),
    ('MemberStatus', '{INVITED, ACTIVE, SUSPENDED, REMOVED}'),
    ('KycStatus',
     '{NOT_STARTED, IN_PROGRESS, SUBMITTED, UNDER_REVIEW, APPROVED, REJECTED, EXPIRED}')
) AS declared (enum, labels)
CROSS JOIN unnest(labels) AS label
WHERE NOT EXISTS (
    SELECT FROM pg_enum
    JOIN pg_type ON pg_type.oid = enumtypid
    WHERE typnamespace = 'public'::regnamespace
      AND typname = enum
      AND enumlabel = label
)
