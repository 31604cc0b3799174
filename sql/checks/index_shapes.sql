-- IF NOT EXISTS goes by name alone: is each index that stood there already the one meant?
-- name: index_shapes
-- severity: error
-- expect: no rows
-- remedy: DROP INDEX CONCURRENTLY and create it as the migration says.
-- seen: SELECT count(*) || ' indexes, those of the list as declared' FROM pg_index JOIN pg_class
--     ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
SELECT declared.name, declared.shape AS expected, indexdef AS found
FROM (VALUES
    ('idx_products_status', 'btree (status)'),
    ('idx_products_vendor_status_created', 'btree ("vendorId", status, "createdAt" DESC)'),
    ('idx_products_category_status_created', 'btree ("categoryId", status, "createdAt" DESC)'),
    ('idx_products_price', 'btree (price)'),
    ('idx_products_stock', 'btree (stock)'),
    ('idx_products_sku_active', 'btree (sku) WHERE "isActive"'),
    ('idx_products_tags_gin', 'gin (tags)'),
    ('idx_orders_user_status_created', 'btree ("userId", status, "createdAt" DESC)'),
    ('idx_orders_status_created', 'btree (status, "createdAt" DESC)'),
    ('idx_orders_guest_email', 'btree ("guestEmail") WHERE ("guestEmail" IS NOT NULL)'),
    ('idx_orders_tracking_carrier',
     'btree ("trackingNumber", carrier) WHERE ("trackingNumber" IS NOT NULL)'),
    ('idx_users_email_active', 'btree (lower(email)) WHERE "isActive"'),
    ('idx_users_role_created', 'btree (role, "createdAt" DESC)')
) AS declared (name, shape)
JOIN pg_indexes ON schemaname = 'public' AND indexname = declared.name
WHERE split_part(indexdef, ' USING ', 2) <> declared.shape
