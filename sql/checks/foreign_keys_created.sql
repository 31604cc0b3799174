-- Foreign keys established correctly: which declared foreign key is not there?
-- name: foreign_keys_created
-- severity: error
-- expect: no rows
-- remedy: Add it as its migration says, NOT VALID first and validated after where the table is
--     large.
-- seen: SELECT count(*) || ' foreign keys, none missing' FROM pg_constraint WHERE connamespace =
--     'public'::regnamespace AND contype = 'f'
SELECT migration, missing
FROM (VALUES
    ('20251117022438_add_password_reset_table', '{
        password_resets_userId_fkey, categories_parentId_fkey, products_vendorId_fkey,
        products_categoryId_fkey, orders_userId_fkey, order_items_orderId_fkey,
        order_items_productId_fkey, order_items_vendorId_fkey, reviews_userId_fkey,
        reviews_productId_fkey, wishlist_userId_fkey, wishlist_productId_fkey
    }'::text[]),
    ('20251118154530_sync_schema_phase30', '{
        ad_campaigns_vendorId_fkey, advertisements_campaignId_fkey,
        advertisements_productId_fkey, ad_keywords_campaignId_fkey,
        ad_impressions_adId_fkey, ad_impressions_userId_fkey, ad_clicks_adId_fkey,
        ad_clicks_userId_fkey, ad_clicks_impressionId_fkey, subscriptions_userId_fkey,
        subscriptions_planId_fkey, subscription_invoices_subscriptionId_fkey,
        bnpl_payment_plans_orderId_fkey, bnpl_payment_plans_userId_fkey,
        bnpl_installments_planId_fkey, product_recommendations_productId_fkey,
        product_recommendations_recommendedId_fkey, user_recommendations_userId_fkey,
        user_recommendations_productId_fkey, user_behaviors_userId_fkey,
        user_behaviors_productId_fkey, user_preferences_userId_fkey,
        search_queries_userId_fkey, search_queries_clickedProductId_fkey,
        saved_searches_userId_fkey, product_views_userId_fkey, product_views_productId_fkey,
        dashboards_userId_fkey, dashboard_widgets_dashboardId_fkey,
        analytics_reports_requestedById_fkey, translations_languageId_fkey,
        product_translations_productId_fkey, product_translations_languageId_fkey,
        category_translations_categoryId_fkey, category_translations_languageId_fkey,
        customer_loyalty_userId_fkey, customer_loyalty_tierId_fkey,
        point_transactions_loyaltyId_fkey, point_transactions_orderId_fkey,
        reward_redemptions_loyaltyId_fkey, reward_redemptions_rewardId_fkey,
        reward_redemptions_orderId_fkey, referrals_referrerId_fkey,
        referrals_refereeId_fkey, deal_products_dealId_fkey, deal_products_productId_fkey,
        deal_purchases_dealId_fkey, deal_purchases_productId_fkey,
        deal_purchases_userId_fkey, deal_purchases_orderId_fkey,
        deal_notifications_dealId_fkey, deal_notifications_userId_fkey,
        gift_cards_purchaserId_fkey, gift_cards_recipientId_fkey,
        gift_card_transactions_giftCardId_fkey, gift_card_transactions_orderId_fkey,
        store_credits_userId_fkey, store_credit_transactions_storeCreditId_fkey,
        store_credit_transactions_orderId_fkey, vendor_analytics_vendorId_fkey,
        product_analytics_productId_fkey, category_analytics_categoryId_fkey
    }'::text[]),
    ('20251119004754_add_vendor_management_system', '{
        vendor_profiles_userId_fkey, vendor_applications_userId_fkey,
        vendor_applications_reviewerId_fkey, vendor_payouts_vendorId_fkey,
        vendor_commission_rules_vendorId_fkey, vendor_commission_rules_categoryId_fkey,
        vendor_performance_metrics_vendorId_fkey
    }'::text[]),
    ('20251202_add_owner_relation_and_role_permissions', '{
        organizations_ownerId_fkey, role_permissions_roleId_fkey,
        role_permissions_permissionId_fkey
    }'::text[]),
    ('add_privacy_consent', '{
        ConsentLog_userId_fkey, DataDeletionRequest_userId_fkey,
        DataExportRequest_userId_fkey, AgreedTerms_userId_fkey
    }'::text[]),
    ('organization_module', '{
        organization_settings_organizationId_fkey,
        organization_addresses_organizationId_fkey, organization_roles_organizationId_fkey,
        departments_organizationId_fkey, departments_parentId_fkey, departments_headId_fkey,
        teams_organizationId_fkey, teams_departmentId_fkey, teams_leadId_fkey,
        organization_members_organizationId_fkey, organization_members_userId_fkey,
        organization_members_roleId_fkey, organization_members_departmentId_fkey,
        team_members_teamId_fkey, team_members_memberId_fkey,
        organization_invitations_organizationId_fkey, organization_invitations_roleId_fkey,
        organization_invitations_invitedById_fkey, kyc_applications_organizationId_fkey,
        kyc_applications_submittedById_fkey, kyc_applications_reviewerId_fkey,
        kyc_documents_applicationId_fkey, kyc_reviews_applicationId_fkey,
        kyc_reviews_reviewerId_fkey, organization_api_keys_organizationId_fkey,
        organization_api_keys_createdById_fkey, organization_audit_logs_organizationId_fkey,
        organization_audit_logs_actorId_fkey, organization_billing_organizationId_fkey,
        organization_billing_planId_fkey, organization_payment_methods_billingId_fkey,
        organization_invoices_organizationId_fkey,
        organization_invoice_items_invoiceId_fkey,
        organization_usage_records_organizationId_fkey, webhooks_organizationId_fkey,
        webhook_event_logs_organizationId_fkey, webhook_deliveries_webhookId_fkey,
        webhook_deliveries_eventId_fkey, webhook_dead_letters_webhookId_fkey,
        webhook_dead_letters_eventId_fkey, webhook_dead_letters_deliveryId_fkey
    }'::text[])
) AS declared (migration, constraints)
CROSS JOIN unnest(constraints) AS missing
WHERE NOT EXISTS (
    SELECT FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
      AND contype = 'f'
      AND conname = missing
)
