-- A database in use has statistics; without them the plans seen in a rehearsal would mislead.
-- A small sample is enough for them.
SET LOCAL default_statistics_target = 10;
ANALYZE "users", "password_resets", "categories", "products", "orders", "order_items", "reviews",
        "ad_impressions", "ad_clicks", "user_behaviors", "search_queries", "dashboard_metrics",
        "point_transactions", "product_analytics", "vendor_analytics", "category_analytics",
        "revenue_analytics", "traffic_analytics", "vendor_profiles", "vendor_payouts",
        "vendor_performance_metrics";
