-- All tables created successfully: which declared table is not there?
-- name: tables_created
-- severity: error
-- expect: no rows
-- remedy: Apply the migration that creates it; if the ledger has it, somebody dropped the table.
-- seen: SELECT count(*) || ' tables, none missing' FROM pg_class WHERE relnamespace =
--     'public'::regnamespace AND relkind IN ('r', 'p')
SELECT migration, missing
FROM (VALUES
    ('20251117022438_add_password_reset_table', '{
        users, password_resets, categories, products, orders, order_items, reviews, wishlist
    }'::text[]),
    ('20251118154530_sync_schema_phase30', '{
        ad_campaigns, advertisements, ad_keywords, ad_impressions, ad_clicks,
        subscription_plans, subscriptions, subscription_invoices, bnpl_payment_plans,
        bnpl_installments, product_recommendations, user_recommendations, user_behaviors,
        user_preferences, search_queries, search_suggestions, search_synonyms,
        saved_searches, product_views, dashboards, dashboard_widgets, dashboard_metrics,
        analytics_reports, languages, translations, product_translations,
        category_translations, loyalty_tiers, customer_loyalty, point_transactions, rewards,
        reward_redemptions, referrals, deals, deal_products, deal_purchases,
        deal_notifications, gift_cards, gift_card_transactions, store_credits,
        store_credit_transactions, vendor_analytics, product_analytics, category_analytics,
        revenue_analytics, traffic_analytics
    }'::text[]),
    ('20251119004754_add_vendor_management_system', '{
        vendor_profiles, vendor_applications, vendor_payouts, vendor_commission_rules,
        vendor_performance_metrics
    }'::text[]),
    ('20251202_add_owner_relation_and_role_permissions', '{
        role_permissions
    }'::text[]),
    ('add_privacy_consent', '{
        ConsentLog, DataDeletionRequest, DataExportRequest, AgreedTerms
    }'::text[]),
    ('organization_module', '{
        organizations, organization_settings, organization_addresses, permissions,
        organization_roles, departments, teams, organization_members, team_members,
        organization_invitations, kyc_applications, kyc_documents, kyc_reviews,
        organization_api_keys, organization_audit_logs, organization_billing,
        organization_payment_methods, organization_invoices, organization_invoice_items,
        organization_usage_records, webhooks, webhook_event_logs, webhook_deliveries,
        webhook_dead_letters
    }'::text[])
) AS declared (migration, tables)
CROSS JOIN unnest(tables) AS missing
WHERE NOT EXISTS (
    SELECT FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
      AND relkind IN ('r', 'p')
      AND relname = missing
)
