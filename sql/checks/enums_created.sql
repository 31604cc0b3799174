-- Which declared enum is not there?
-- name: enums_created
-- severity: error
-- expect: no rows
-- remedy: Apply the migration that creates it.
-- seen: SELECT count(*) || ' enums, none missing' FROM pg_type WHERE typnamespace =
--     'public'::regnamespace AND typtype = 'e'
SELECT migration, missing
FROM (VALUES
    ('20251117022438_add_password_reset_table', '{
        UserRole, OrderStatus
    }'::text[]),
    ('20251118154530_sync_schema_phase30', '{
        AdCampaignStatus, AdPlacement, AdStatus, KeywordMatchType, BillingInterval,
        SubscriptionStatus, SubscriptionInvoiceStatus, BnplProvider, BnplPlanStatus,
        InstallmentStatus, RecommendationKind, BehaviorType, WidgetType, ReportFormat,
        PointTransactionType, RewardType, RedemptionStatus, ReferralStatus, DealType,
        DealNotificationStatus, GiftCardStatus, GiftCardTransactionType,
        StoreCreditTransactionType, AnalyticsPeriod
    }'::text[]),
    ('20251119004754_add_vendor_management_system', '{
        VendorStatus, VendorApplicationStatus, PayoutStatus, PayoutMethod
    }'::text[]),
    ('organization_module', '{
        OrganizationType, OrganizationStatus, MemberStatus, KycStatus
    }'::text[])
) AS declared (migration, enums)
CROSS JOIN unnest(enums) AS missing
WHERE NOT EXISTS (
    SELECT FROM pg_type
    WHERE typnamespace = 'public'::regnamespace
      AND typtype = 'e'
      AND typname = missing
)
