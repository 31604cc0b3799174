-- Permissions come from a membership: an owner who is no active member can do nothing.
-- name: owners_are_members
-- severity: warning
-- expect: no rows
-- remedy: Add the owner to organization_members with a role, or choose another owner.
-- seen: SELECT count(*) || ' organizations, each owner an active member' FROM public.organizations
SELECT o."id", o."name", o."ownerId"
FROM public.organizations AS o
WHERE o."ownerId" IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM public.organization_members AS m
    WHERE m."organizationId" = o."id"
      AND m."userId" = o."ownerId"
      AND m."status" = 'ACTIVE'
)
ORDER BY o."createdAt"
LIMIT 1000
