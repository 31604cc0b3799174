-- Migration 5 of the brief: Performance Indexes.
-- Only indexes, only on tables of migrations 1 to 3. Plain CREATE INDEX IF NOT EXISTS: whether a
-- build has to be CONCURRENTLY depends on the rows of the target, which this file cannot know.
-- Each index that begins with a foreign key also serves the deletion of the referenced row.

-- Products: filtering, search and inventory

CREATE INDEX IF NOT EXISTS "idx_products_status"
    ON "products" ("status");
CREATE INDEX IF NOT EXISTS "idx_products_vendor_status_created"
    ON "products" ("vendorId", "status", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_products_category_status_created"
    ON "products" ("categoryId", "status", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_products_price"
    ON "products" ("price");
CREATE INDEX IF NOT EXISTS "idx_products_stock"
    ON "products" ("stock");
-- A SKU is not unique across vendors; support looks one up among what is on sale.
CREATE INDEX IF NOT EXISTS "idx_products_sku_active"
    ON "products" ("sku") WHERE "isActive";
-- What a vendor has to order again.
CREATE INDEX IF NOT EXISTS "idx_products_low_stock"
    ON "products" ("vendorId", "stock") WHERE "stock" <= "lowStockThreshold";
CREATE INDEX IF NOT EXISTS "idx_products_tags_gin"
    ON "products" USING GIN ("tags");

-- Orders: history, work lists, guests and parcels

CREATE INDEX IF NOT EXISTS "idx_orders_user_status_created"
    ON "orders" ("userId", "status", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_orders_status_created"
    ON "orders" ("status", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_orders_guest_email"
    ON "orders" ("guestEmail") WHERE "guestEmail" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "idx_orders_tracking_carrier"
    ON "orders" ("trackingNumber", "carrier") WHERE "trackingNumber" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "idx_order_items_product_created"
    ON "order_items" ("productId", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_order_items_vendor_created"
    ON "order_items" ("vendorId", "createdAt" DESC);

-- Users: sign-in and lists

-- Sign-in ignores case, which users_email_key cannot serve.
CREATE INDEX IF NOT EXISTS "idx_users_email_active"
    ON "users" (lower("email")) WHERE "isActive";
CREATE INDEX IF NOT EXISTS "idx_users_role_created"
    ON "users" ("role", "createdAt" DESC);
-- For the job that clears what has expired.
CREATE INDEX IF NOT EXISTS "idx_password_resets_open_expires"
    ON "password_resets" ("expiresAt") WHERE "usedAt" IS NULL;

-- Categories: navigation

CREATE INDEX IF NOT EXISTS "idx_categories_parent_position"
    ON "categories" ("parentId", "position");
CREATE INDEX IF NOT EXISTS "idx_categories_root_active"
    ON "categories" ("position") WHERE "parentId" IS NULL AND "isActive";

-- Reviews: product page and moderation

CREATE INDEX IF NOT EXISTS "idx_reviews_product_rating"
    ON "reviews" ("productId", "rating");
CREATE INDEX IF NOT EXISTS "idx_reviews_pending_created"
    ON "reviews" ("createdAt") WHERE NOT "isApproved";

-- Analytics: time series, the best of a day, a source over time

CREATE INDEX IF NOT EXISTS "idx_product_analytics_date_revenue"
    ON "product_analytics" ("date" DESC, "revenue" DESC);
CREATE INDEX IF NOT EXISTS "idx_product_analytics_date_views"
    ON "product_analytics" ("date" DESC, "views" DESC);
CREATE INDEX IF NOT EXISTS "idx_vendor_analytics_date_revenue"
    ON "vendor_analytics" ("date" DESC, "revenue" DESC);
CREATE INDEX IF NOT EXISTS "idx_category_analytics_date_revenue"
    ON "category_analytics" ("date" DESC, "revenue" DESC);
CREATE INDEX IF NOT EXISTS "idx_revenue_analytics_period_date"
    ON "revenue_analytics" ("period", "date" DESC);
CREATE INDEX IF NOT EXISTS "idx_traffic_analytics_source_date"
    ON "traffic_analytics" ("source", "date" DESC);
CREATE INDEX IF NOT EXISTS "idx_traffic_analytics_device_date"
    ON "traffic_analytics" ("device", "date" DESC);

-- Advertising: cost and clicks of an ad over time

CREATE INDEX IF NOT EXISTS "idx_ad_impressions_ad_created"
    ON "ad_impressions" ("adId", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_ad_impressions_user_created"
    ON "ad_impressions" ("userId", "createdAt" DESC) WHERE "userId" IS NOT NULL;
-- The log is in order of time on disk: a block range index finds "last month" in a few pages.
CREATE INDEX IF NOT EXISTS "idx_ad_impressions_created_brin"
    ON "ad_impressions" USING BRIN ("createdAt");
CREATE INDEX IF NOT EXISTS "idx_ad_clicks_ad_created"
    ON "ad_clicks" ("adId", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_ad_clicks_user_created"
    ON "ad_clicks" ("userId", "createdAt" DESC) WHERE "userId" IS NOT NULL;

-- Dashboards, search and behaviour

CREATE INDEX IF NOT EXISTS "idx_dashboard_metrics_metric_recorded"
    ON "dashboard_metrics" ("metric", "recordedAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_search_queries_term_created"
    ON "search_queries" ("normalizedTerm", "createdAt" DESC);
-- What customers look for and the shop does not have.
CREATE INDEX IF NOT EXISTS "idx_search_queries_no_result_created"
    ON "search_queries" ("createdAt" DESC) WHERE "resultCount" = 0;
CREATE INDEX IF NOT EXISTS "idx_user_behaviors_user_created"
    ON "user_behaviors" ("userId", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_user_behaviors_product_type_created"
    ON "user_behaviors" ("productId", "type", "createdAt" DESC);

-- Money that falls due

CREATE INDEX IF NOT EXISTS "idx_subscriptions_active_renewal"
    ON "subscriptions" ("currentPeriodEnd") WHERE "status" = 'ACTIVE';
CREATE INDEX IF NOT EXISTS "idx_bnpl_installments_unpaid_due"
    ON "bnpl_installments" ("dueDate") WHERE "status" IN ('PENDING', 'OVERDUE');
CREATE INDEX IF NOT EXISTS "idx_point_transactions_loyalty_created"
    ON "point_transactions" ("loyaltyId", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_gift_cards_active_expires"
    ON "gift_cards" ("expiresAt") WHERE "status" = 'ACTIVE';
CREATE INDEX IF NOT EXISTS "idx_deals_active_window"
    ON "deals" ("startsAt", "endsAt") WHERE "isActive";

-- Vendors: performance and payouts

CREATE INDEX IF NOT EXISTS "idx_vendor_profiles_status_created"
    ON "vendor_profiles" ("status", "createdAt" DESC);
CREATE INDEX IF NOT EXISTS "idx_vendor_applications_status_submitted"
    ON "vendor_applications" ("status", "submittedAt");
CREATE INDEX IF NOT EXISTS "idx_vendor_payouts_vendor_status_period"
    ON "vendor_payouts" ("vendorId", "status", "periodEnd" DESC);
CREATE INDEX IF NOT EXISTS "idx_vendor_payouts_pending_created"
    ON "vendor_payouts" ("createdAt") WHERE "status" = 'PENDING';
CREATE INDEX IF NOT EXISTS "idx_vendor_performance_metrics_period_score"
    ON "vendor_performance_metrics" ("periodStart" DESC, "score" DESC);
