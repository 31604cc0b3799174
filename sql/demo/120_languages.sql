-- Five languages; the scale does not change them.
INSERT INTO "languages" (
    "id", "code", "name", "nativeName", "isRightToLeft", "isDefault", "createdAt", "updatedAt")
VALUES
    ('lng_0000001', 'en', 'English', 'English', false, true, '2023-01-01', '2023-01-01'),
    ('lng_0000002', 'de', 'German', 'Deutsch', false, false, '2023-01-01', '2023-01-01'),
    ('lng_0000003', 'fr', 'French', 'Français', false, false, '2023-01-01', '2023-01-01'),
    ('lng_0000004', 'es', 'Spanish', 'Español', false, false, '2023-01-01', '2023-01-01'),
    ('lng_0000005', 'ar', 'Arabic', 'العربية', true, false, '2023-01-01', '2023-01-01');

INSERT INTO "translations" (
    "id", "languageId", "namespace", "key", "value", "createdAt", "updatedAt")
SELECT 'trn_' || right("id", 7) || '_' || n,
       "id",
       (ARRAY['common', 'cart', 'account'])[1 + n % 3],
       'label.' || n,
       'Label ' || n || ' (' || "code" || ')',
       TIMESTAMP '2023-01-01',
       TIMESTAMP '2023-01-01'
FROM "languages"
CROSS JOIN generate_series(
    1, greatest(1, round(40 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

-- The first products and every category, in German.
INSERT INTO "product_translations" (
    "id", "productId", "languageId", "name", "isMachineMade", "createdAt", "updatedAt")
SELECT 'ptr_' || right("id", 7),
       "id",
       'lng_0000002',
       "name" || ' (de)',
       true,
       "createdAt",
       "createdAt"
FROM "products"
ORDER BY "id"
LIMIT greatest(1, round(800 * current_setting('runbook.scale')::numeric))::bigint;

INSERT INTO "category_translations" (
    "id", "categoryId", "languageId", "name", "createdAt", "updatedAt")
SELECT 'ctr_' || right("id", 7),
       "id",
       'lng_0000002',
       "name" || ' (de)',
       "createdAt",
       "createdAt"
FROM "categories";
