-- Migration 4 of the brief: Owner Relations and Role Permissions.
-- Needs organizations, organization_roles and permissions, which migration 7 creates: listed before
-- it, applied after it.

-- Existing organizations have no owner yet, so the column is nullable; they are to be given one.
ALTER TABLE "organizations" ADD COLUMN "ownerId" TEXT;
CREATE INDEX "organizations_ownerId_idx" ON "organizations" ("ownerId");

-- Which permissions a role holds. The pair is the key; the second column needs an index of its own.
CREATE TABLE "role_permissions" (
    "roleId"       TEXT         NOT NULL,
    "permissionId" TEXT         NOT NULL,
    "createdAt"    TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "role_permissions_pkey" PRIMARY KEY ("roleId", "permissionId")
);
CREATE INDEX "role_permissions_permissionId_idx" ON "role_permissions" ("permissionId");

-- Foreign keys, last: the locks that they take on the referenced tables are held the shortest.

-- RESTRICT: an owner hands the organization over before the account goes; SET NULL would leave it
-- silently without anyone who may pay for it or close it.
ALTER TABLE "organizations" ADD CONSTRAINT "organizations_ownerId_fkey"
    FOREIGN KEY ("ownerId") REFERENCES "users" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "role_permissions" ADD CONSTRAINT "role_permissions_roleId_fkey"
    FOREIGN KEY ("roleId") REFERENCES "organization_roles" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "role_permissions" ADD CONSTRAINT "role_permissions_permissionId_fkey"
    FOREIGN KEY ("permissionId") REFERENCES "permissions" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
