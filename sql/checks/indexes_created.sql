-- All indexes created successfully: which declared index is not there?
-- name: indexes_created
-- severity: error
-- expect: no rows
-- remedy: Create it as its migration says, CONCURRENTLY where the table is in use.
-- seen: SELECT count(*) || ' indexes, none missing' FROM pg_index JOIN pg_class ON pg_class.oid =
--     indexrelid WHERE relnamespace = 'public'::regnamespace
SELECT migration, missing
FROM (VALUES
    ('20251117022438_add_password_reset_table', '{
        users_email_key, password_resets_tokenHash_key, password_resets_userId_idx,
        categories_slug_key, products_slug_key, orders_orderNumber_key,
        order_items_orderId_idx, reviews_userId_productId_key,
        wishlist_userId_productId_key, wishlist_productId_idx
    }'::text[]),
    ('20251118154530_sync_schema_phase30', '{
        ad_campaigns_vendorId_idx, advertisements_campaignId_idx,
        advertisements_productId_idx, ad_keywords_campaignId_keyword_matchType_key,
        ad_clicks_impressionId_idx, subscription_plans_code_key, subscriptions_userId_idx,
        subscriptions_planId_idx, subscription_invoices_number_key,
        subscription_invoices_subscriptionId_idx, bnpl_payment_plans_orderId_key,
        bnpl_payment_plans_provider_providerReference_key, bnpl_payment_plans_userId_idx,
        bnpl_installments_planId_sequence_key,
        product_recommendations_productId_kind_recommendedId_key,
        product_recommendations_recommendedId_idx,
        user_recommendations_userId_productId_key, user_recommendations_productId_idx,
        user_preferences_userId_key, search_queries_userId_idx,
        search_queries_clickedProductId_idx, search_suggestions_term_key,
        search_synonyms_term_key, saved_searches_userId_name_key,
        product_views_userId_productId_key, product_views_productId_idx,
        dashboards_userId_idx, dashboard_widgets_dashboardId_idx,
        dashboard_metrics_metric_dimension_recordedAt_key,
        analytics_reports_requestedById_idx, languages_code_key,
        translations_languageId_namespace_key_key,
        product_translations_productId_languageId_key, product_translations_languageId_idx,
        category_translations_categoryId_languageId_key,
        category_translations_languageId_idx, loyalty_tiers_name_key,
        customer_loyalty_userId_key, customer_loyalty_referralCode_key,
        customer_loyalty_tierId_idx, point_transactions_orderId_idx,
        reward_redemptions_loyaltyId_idx, reward_redemptions_rewardId_idx,
        reward_redemptions_orderId_idx, referrals_referrerId_email_key,
        referrals_refereeId_idx, deals_slug_key, deal_products_dealId_productId_key,
        deal_products_productId_idx, deal_purchases_dealId_idx,
        deal_purchases_productId_idx, deal_purchases_userId_idx, deal_purchases_orderId_idx,
        deal_notifications_dealId_userId_key, deal_notifications_userId_idx,
        gift_cards_code_key, gift_cards_purchaserId_idx, gift_cards_recipientId_idx,
        gift_card_transactions_giftCardId_idx, gift_card_transactions_orderId_idx,
        store_credits_userId_key, store_credit_transactions_storeCreditId_idx,
        store_credit_transactions_orderId_idx, vendor_analytics_vendorId_date_key,
        product_analytics_productId_date_key, category_analytics_categoryId_date_key,
        revenue_analytics_date_period_currency_key, traffic_analytics_date_source_device_key
    }'::text[]),
    ('20251119004754_add_vendor_management_system', '{
        vendor_profiles_userId_key, vendor_profiles_slug_key,
        vendor_applications_userId_idx, vendor_applications_reviewerId_idx,
        vendor_payouts_number_key, vendor_payouts_vendorId_idx,
        vendor_commission_rules_vendorId_idx, vendor_commission_rules_categoryId_idx,
        vendor_performance_metrics_vendorId_periodStart_key
    }'::text[]),
    ('20251202_add_owner_relation_and_role_permissions', '{
        organizations_ownerId_idx, role_permissions_permissionId_idx
    }'::text[]),
    ('add_performance_indexes', '{
        idx_products_status, idx_products_vendor_status_created,
        idx_products_category_status_created, idx_products_price, idx_products_stock,
        idx_products_sku_active, idx_products_low_stock, idx_products_tags_gin,
        idx_orders_user_status_created, idx_orders_status_created, idx_orders_guest_email,
        idx_orders_tracking_carrier, idx_order_items_product_created,
        idx_order_items_vendor_created, idx_users_email_active, idx_users_role_created,
        idx_password_resets_open_expires, idx_categories_parent_position,
        idx_categories_root_active, idx_reviews_product_rating, idx_reviews_pending_created,
        idx_product_analytics_date_revenue, idx_product_analytics_date_views,
        idx_vendor_analytics_date_revenue, idx_category_analytics_date_revenue,
        idx_revenue_analytics_period_date, idx_traffic_analytics_source_date,
        idx_traffic_analytics_device_date, idx_ad_impressions_ad_created,
        idx_ad_impressions_user_created, idx_ad_impressions_created_brin,
        idx_ad_clicks_ad_created, idx_ad_clicks_user_created,
        idx_dashboard_metrics_metric_recorded, idx_search_queries_term_created,
        idx_search_queries_no_result_created, idx_user_behaviors_user_created,
        idx_user_behaviors_product_type_created, idx_subscriptions_active_renewal,
        idx_bnpl_installments_unpaid_due, idx_point_transactions_loyalty_created,
        idx_gift_cards_active_expires, idx_deals_active_window,
        idx_vendor_profiles_status_created, idx_vendor_applications_status_submitted,
        idx_vendor_payouts_vendor_status_period, idx_vendor_payouts_pending_created,
        idx_vendor_performance_metrics_period_score
    }'::text[]),
    ('add_privacy_consent', '{
        ConsentLog_userId_createdAt_idx, DataDeletionRequest_status_scheduledDate_idx,
        DataDeletionRequest_userId_idx, DataExportRequest_status_createdAt_idx,
        DataExportRequest_userId_idx, AgreedTerms_userId_document_version_key
    }'::text[]),
    ('organization_module', '{
        organizations_slug_key, organizations_status_createdAt_idx,
        organization_settings_organizationId_key, organization_addresses_organizationId_idx,
        permissions_code_key, permissions_resource_action_key,
        organization_roles_organizationId_name_key, organization_roles_system_name_key,
        departments_organizationId_name_key, departments_parentId_idx,
        departments_headId_idx, teams_organizationId_name_key, teams_departmentId_idx,
        teams_leadId_idx, organization_members_organizationId_userId_key,
        organization_members_userId_idx, organization_members_roleId_idx,
        organization_members_departmentId_idx, team_members_teamId_memberId_key,
        team_members_memberId_idx, organization_invitations_tokenHash_key,
        organization_invitations_organizationId_email_idx,
        organization_invitations_roleId_idx, organization_invitations_invitedById_idx,
        kyc_applications_status_submittedAt_idx, kyc_applications_organizationId_idx,
        kyc_applications_submittedById_idx, kyc_applications_reviewerId_idx,
        kyc_documents_storageKey_key, kyc_documents_applicationId_idx,
        kyc_reviews_applicationId_idx, kyc_reviews_reviewerId_idx,
        organization_api_keys_keyHash_key, organization_api_keys_organizationId_idx,
        organization_api_keys_createdById_idx,
        organization_audit_logs_organizationId_createdAt_idx,
        organization_audit_logs_resourceType_resourceId_idx,
        organization_audit_logs_actorId_idx, organization_billing_organizationId_key,
        organization_billing_planId_idx,
        organization_payment_methods_provider_providerReference_key,
        organization_payment_methods_billingId_idx, organization_invoices_number_key,
        organization_invoices_organizationId_createdAt_idx,
        organization_invoice_items_invoiceId_idx,
        organization_usage_records_organizationId_metric_date_key,
        webhooks_organizationId_idx, webhook_event_logs_organizationId_occurredAt_idx,
        webhook_event_logs_event_occurredAt_idx,
        webhook_deliveries_webhookId_eventId_attempt_key, webhook_deliveries_eventId_idx,
        webhook_dead_letters_webhookId_idx, webhook_dead_letters_eventId_idx,
        webhook_dead_letters_deliveryId_idx
    }'::text[])
) AS declared (migration, indexes)
CROSS JOIN unnest(indexes) AS missing
WHERE NOT EXISTS (
    SELECT FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
      AND relkind IN ('i', 'I')
      AND relname = missing
)
