-- The brief: existing organizations need owner assignment; no migration can know the owners.
-- name: organizations_without_owner
-- severity: warning
-- expect: no rows
-- remedy: Agree on the owner with each organization, then UPDATE organizations SET "ownerId".
-- seen: SELECT count(*) || ' organizations, each with an owner' FROM public.organizations
SELECT "id", "name", "status", "createdAt"
FROM public.organizations
WHERE "ownerId" IS NULL
ORDER BY "createdAt"
LIMIT 1000
