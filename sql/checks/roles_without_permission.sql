-- A role without permissions lets its members sign in and then refuses everything.
-- name: roles_without_permission
-- severity: info
-- expect: no rows
-- remedy: Grant permissions in role_permissions, or delete the role.
-- seen: SELECT count(*) || ' roles, each with a permission' FROM public.organization_roles
SELECT r."id", r."organizationId", r."name"
FROM public.organization_roles AS r
WHERE NOT EXISTS (
    SELECT FROM public.role_permissions AS p
    WHERE p."roleId" = r."id"
)
ORDER BY r."createdAt"
LIMIT 1000
