-- Sign-in ignores case, the unique index does not: two accounts may answer to one address.
-- name: emails_doubled
-- severity: warning
-- expect: no rows
-- remedy: Merge the accounts, or have their owner choose; then a unique index on lower(email) is
--     safe.
-- seen: SELECT count(*) || ' active accounts, no address twice' FROM public.users WHERE "isActive"
SELECT lower("email") AS email, count(*) AS accounts, string_agg("id", ', ' ORDER BY "id") AS ids
FROM public.users
WHERE "isActive"
GROUP BY lower("email")
HAVING count(*) > 1
LIMIT 1000
