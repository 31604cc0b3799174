-- The brief promises proper cascading: what happens to the children must not be left to chance.
-- name: foreign_keys_safe
-- severity: error
-- expect: no rows
-- remedy: Recreate the foreign key as its migration says.
-- seen: SELECT count(*) || ' foreign keys, those of the list as declared' FROM pg_constraint WHERE
--     connamespace = 'public'::regnamespace AND contype = 'f'
SELECT declared.name, declared.on_delete AS expected, constraints.confdeltype AS found
FROM (VALUES
    ('organizations_ownerId_fkey', 'r'),            -- critical: an owner hands over first
    ('role_permissions_roleId_fkey', 'c'),
    ('role_permissions_permissionId_fkey', 'c'),
    ('organization_members_organizationId_fkey', 'c'),
    ('organization_invoices_organizationId_fkey', 'r'),
    ('vendor_profiles_userId_fkey', 'c'),
    ('vendor_payouts_vendorId_fkey', 'r'),
    ('gift_card_transactions_giftCardId_fkey', 'r'),
    ('order_items_orderId_fkey', 'c'),
    ('order_items_productId_fkey', 'r'),
    ('orders_userId_fkey', 'n'),                    -- optional: the order stays for the books
    ('DataDeletionRequest_userId_fkey', 'n')        -- optional: proof of the deletion
) AS declared (name, on_delete)
LEFT JOIN pg_constraint AS constraints
    ON constraints.conname = declared.name
   AND constraints.connamespace = 'public'::regnamespace
WHERE constraints.confdeltype IS DISTINCT FROM declared.on_delete::"char"
