-- Migration 7 of the brief: Organization Module.
-- Organizations, their people, roles, KYC, billing and webhooks. The owner and the permissions of
-- a role come with migration 4, which needs the tables of this file and so has to follow it.

-- Enums

CREATE TYPE "OrganizationType" AS ENUM ('INDIVIDUAL', 'SMALL_BUSINESS', 'ENTERPRISE');
CREATE TYPE "OrganizationStatus" AS ENUM (
    'PENDING_VERIFICATION', 'VERIFIED', 'ACTIVE', 'SUSPENDED', 'REJECTED', 'CLOSED'
);
CREATE TYPE "MemberStatus" AS ENUM ('INVITED', 'ACTIVE', 'SUSPENDED', 'REMOVED');
CREATE TYPE "KycStatus" AS ENUM (
    'NOT_STARTED', 'IN_PROGRESS', 'SUBMITTED', 'UNDER_REVIEW', 'APPROVED', 'REJECTED', 'EXPIRED'
);

-- Organizations

-- The tenant: everything below hangs on it.
CREATE TABLE "organizations" (
    "id"          TEXT                 NOT NULL,
    "name"        TEXT                 NOT NULL,
    "slug"        TEXT                 NOT NULL,
    "type"        "OrganizationType"   NOT NULL DEFAULT 'INDIVIDUAL',
    "status"      "OrganizationStatus" NOT NULL DEFAULT 'PENDING_VERIFICATION',
    "legalName"   TEXT,
    "taxId"       TEXT,
    "email"       TEXT,
    "website"     TEXT,
    "logoUrl"     TEXT,
    "maxMembers"  INTEGER              NOT NULL DEFAULT 5,
    "maxProducts" INTEGER              NOT NULL DEFAULT 100,
    "verifiedAt"  TIMESTAMP(3),
    "createdAt"   TIMESTAMP(3)         NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"   TIMESTAMP(3)         NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organizations_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "organizations_slug_key" ON "organizations" ("slug");
CREATE INDEX "organizations_status_createdAt_idx" ON "organizations" ("status", "createdAt");

-- One row an organization, apart from it so that reading a profile stays small.
CREATE TABLE "organization_settings" (
    "id"                TEXT         NOT NULL,
    "organizationId"    TEXT         NOT NULL,
    "locale"            TEXT         NOT NULL DEFAULT 'en',
    "timezone"          TEXT         NOT NULL DEFAULT 'UTC',
    "requiresTwoFactor" BOOLEAN      NOT NULL DEFAULT false,
    "allowsInvitations" BOOLEAN      NOT NULL DEFAULT false,
    "preferences"       JSONB        NOT NULL DEFAULT '{}',
    "createdAt"         TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"         TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_settings_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "organization_settings_organizationId_key"
    ON "organization_settings" ("organizationId");

-- Registered, billing and shipping addresses.
CREATE TABLE "organization_addresses" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT         NOT NULL,
    "kind"           TEXT         NOT NULL DEFAULT 'REGISTERED',
    "line1"          TEXT         NOT NULL,
    "line2"          TEXT,
    "city"           TEXT         NOT NULL,
    "region"         TEXT,
    "postalCode"     TEXT,
    "country"        TEXT         NOT NULL,
    "isPrimary"      BOOLEAN      NOT NULL DEFAULT false,
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_addresses_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "organization_addresses_kind_check"
        CHECK ("kind" IN ('REGISTERED', 'BILLING', 'SHIPPING'))
);
CREATE INDEX "organization_addresses_organizationId_idx"
    ON "organization_addresses" ("organizationId");

-- Roles and permissions

-- Registry of what the application can check, such as products:write.
CREATE TABLE "permissions" (
    "id"          TEXT         NOT NULL,
    "code"        TEXT         NOT NULL,
    "resource"    TEXT         NOT NULL,
    "action"      TEXT         NOT NULL,
    "description" TEXT,
    "createdAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "permissions_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "permissions_code_key" ON "permissions" ("code");
CREATE UNIQUE INDEX "permissions_resource_action_key" ON "permissions" ("resource", "action");

-- Without an organization it is a role of the system, the same for all; as nulls are distinct,
-- the names of those need a unique index of their own.
CREATE TABLE "organization_roles" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT,
    "name"           TEXT         NOT NULL,
    "description"    TEXT,
    "isSystem"       BOOLEAN      NOT NULL DEFAULT false,
    "isDefault"      BOOLEAN      NOT NULL DEFAULT false,
    "priority"       INTEGER      NOT NULL DEFAULT 0,
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_roles_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "organization_roles_organizationId_name_key"
    ON "organization_roles" ("organizationId", "name");
CREATE UNIQUE INDEX "organization_roles_system_name_key"
    ON "organization_roles" ("name") WHERE "organizationId" IS NULL;

-- People

-- A tree; the departments under a deleted one move to the top.
CREATE TABLE "departments" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT         NOT NULL,
    "parentId"       TEXT,
    "headId"         TEXT,
    "name"           TEXT         NOT NULL,
    "description"    TEXT,
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "departments_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "departments_organizationId_name_key"
    ON "departments" ("organizationId", "name");
CREATE INDEX "departments_parentId_idx" ON "departments" ("parentId");
CREATE INDEX "departments_headId_idx" ON "departments" ("headId");

-- Belongs to the organization, and to a department if it wants to.
CREATE TABLE "teams" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT         NOT NULL,
    "departmentId"   TEXT,
    "leadId"         TEXT,
    "name"           TEXT         NOT NULL,
    "description"    TEXT,
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "teams_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "teams_organizationId_name_key" ON "teams" ("organizationId", "name");
CREATE INDEX "teams_departmentId_idx" ON "teams" ("departmentId");
CREATE INDEX "teams_leadId_idx" ON "teams" ("leadId");

-- One row a person and organization. A role that somebody holds cannot be deleted; by NO ACTION,
-- which unlike RESTRICT lets a deleted organization take its roles and members along.
CREATE TABLE "organization_members" (
    "id"             TEXT           NOT NULL,
    "organizationId" TEXT           NOT NULL,
    "userId"         TEXT           NOT NULL,
    "roleId"         TEXT           NOT NULL,
    "departmentId"   TEXT,
    "status"         "MemberStatus" NOT NULL DEFAULT 'INVITED',
    "title"          TEXT,
    "joinedAt"       TIMESTAMP(3),
    "lastActiveAt"   TIMESTAMP(3),
    "createdAt"      TIMESTAMP(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_members_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "organization_members_organizationId_userId_key"
    ON "organization_members" ("organizationId", "userId");
CREATE INDEX "organization_members_userId_idx" ON "organization_members" ("userId");
CREATE INDEX "organization_members_roleId_idx" ON "organization_members" ("roleId");
CREATE INDEX "organization_members_departmentId_idx" ON "organization_members" ("departmentId");

-- A member may be in several teams.
CREATE TABLE "team_members" (
    "id"       TEXT         NOT NULL,
    "teamId"   TEXT         NOT NULL,
    "memberId" TEXT         NOT NULL,
    "isLead"   BOOLEAN      NOT NULL DEFAULT false,
    "joinedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "team_members_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "team_members_teamId_memberId_key" ON "team_members" ("teamId", "memberId");
CREATE INDEX "team_members_memberId_idx" ON "team_members" ("memberId");

-- Only the hash of the token is stored.
CREATE TABLE "organization_invitations" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT         NOT NULL,
    "roleId"         TEXT         NOT NULL,
    "invitedById"    TEXT,
    "email"          TEXT         NOT NULL,
    "tokenHash"      TEXT         NOT NULL,
    "expiresAt"      TIMESTAMP(3) NOT NULL,
    "acceptedAt"     TIMESTAMP(3),
    "revokedAt"      TIMESTAMP(3),
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_invitations_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "organization_invitations_tokenHash_key"
    ON "organization_invitations" ("tokenHash");
CREATE INDEX "organization_invitations_organizationId_email_idx"
    ON "organization_invitations" ("organizationId", "email");
CREATE INDEX "organization_invitations_roleId_idx" ON "organization_invitations" ("roleId");
CREATE INDEX "organization_invitations_invitedById_idx"
    ON "organization_invitations" ("invitedById");

-- KYC and compliance

-- Verification of an organization; the application encrypts its data (KYC_ENCRYPTION_KEY).
CREATE TABLE "kyc_applications" (
    "id"              TEXT         NOT NULL,
    "organizationId"  TEXT         NOT NULL,
    "submittedById"   TEXT,
    "reviewerId"      TEXT,
    "status"          "KycStatus"  NOT NULL DEFAULT 'NOT_STARTED',
    "encryptedData"   TEXT,
    "riskScore"       INTEGER      NOT NULL DEFAULT 0,
    "rejectionReason" TEXT,
    "submittedAt"     TIMESTAMP(3),
    "reviewedAt"      TIMESTAMP(3),
    "expiresAt"       TIMESTAMP(3),
    "createdAt"       TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"       TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "kyc_applications_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "kyc_applications_status_submittedAt_idx"
    ON "kyc_applications" ("status", "submittedAt");
CREATE INDEX "kyc_applications_organizationId_idx" ON "kyc_applications" ("organizationId");
CREATE INDEX "kyc_applications_submittedById_idx" ON "kyc_applications" ("submittedById");
CREATE INDEX "kyc_applications_reviewerId_idx" ON "kyc_applications" ("reviewerId");

-- The file lies in STORAGE_BUCKET; its hash shows that it is still the one that was reviewed.
CREATE TABLE "kyc_documents" (
    "id"            TEXT         NOT NULL,
    "applicationId" TEXT         NOT NULL,
    "kind"          TEXT         NOT NULL,
    "storageKey"    TEXT         NOT NULL,
    "sha256"        TEXT         NOT NULL,
    "mimeType"      TEXT         NOT NULL,
    "sizeBytes"     BIGINT       NOT NULL DEFAULT 0,
    "isVerified"    BOOLEAN      NOT NULL DEFAULT false,
    "createdAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "kyc_documents_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "kyc_documents_storageKey_key" ON "kyc_documents" ("storageKey");
CREATE INDEX "kyc_documents_applicationId_idx" ON "kyc_documents" ("applicationId");

-- Each decision, by whom and why; rows are added, never changed.
CREATE TABLE "kyc_reviews" (
    "id"            TEXT         NOT NULL,
    "applicationId" TEXT         NOT NULL,
    "reviewerId"    TEXT,
    "fromStatus"    "KycStatus"  NOT NULL,
    "toStatus"      "KycStatus"  NOT NULL,
    "comment"       TEXT,
    "createdAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "kyc_reviews_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "kyc_reviews_applicationId_idx" ON "kyc_reviews" ("applicationId");
CREATE INDEX "kyc_reviews_reviewerId_idx" ON "kyc_reviews" ("reviewerId");

-- Only the hash of a key is stored; the prefix is what people recognise it by.
CREATE TABLE "organization_api_keys" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT         NOT NULL,
    "createdById"    TEXT,
    "name"           TEXT         NOT NULL,
    "prefix"         TEXT         NOT NULL,
    "keyHash"        TEXT         NOT NULL,
    "scopes"         TEXT[]       NOT NULL DEFAULT ARRAY[]::TEXT[],
    "lastUsedAt"     TIMESTAMP(3),
    "expiresAt"      TIMESTAMP(3),
    "revokedAt"      TIMESTAMP(3),
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_api_keys_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "organization_api_keys_keyHash_key" ON "organization_api_keys" ("keyHash");
CREATE INDEX "organization_api_keys_organizationId_idx"
    ON "organization_api_keys" ("organizationId");
CREATE INDEX "organization_api_keys_createdById_idx" ON "organization_api_keys" ("createdById");

-- Keeps its organization from being deleted, and outlives the actor.
CREATE TABLE "organization_audit_logs" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT         NOT NULL,
    "actorId"        TEXT,
    "action"         TEXT         NOT NULL,
    "resourceType"   TEXT         NOT NULL,
    "resourceId"     TEXT,
    "changes"        JSONB,
    "ipAddress"      TEXT,
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_audit_logs_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "organization_audit_logs_organizationId_createdAt_idx"
    ON "organization_audit_logs" ("organizationId", "createdAt");
CREATE INDEX "organization_audit_logs_resourceType_resourceId_idx"
    ON "organization_audit_logs" ("resourceType", "resourceId");
CREATE INDEX "organization_audit_logs_actorId_idx" ON "organization_audit_logs" ("actorId");

-- Billing

-- One row an organization: plan and billing address.
CREATE TABLE "organization_billing" (
    "id"             TEXT          NOT NULL,
    "organizationId" TEXT          NOT NULL,
    "planId"         TEXT,
    "billingEmail"   TEXT,
    "currency"       TEXT          NOT NULL DEFAULT 'USD',
    "balance"        DECIMAL(12,2) NOT NULL DEFAULT 0,
    "seats"          INTEGER       NOT NULL DEFAULT 0,
    "nextInvoiceAt"  TIMESTAMP(3),
    "createdAt"      TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_billing_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "organization_billing_organizationId_key"
    ON "organization_billing" ("organizationId");
CREATE INDEX "organization_billing_planId_idx" ON "organization_billing" ("planId");

-- The payment provider's reference; no card number is stored.
CREATE TABLE "organization_payment_methods" (
    "id"                TEXT         NOT NULL,
    "billingId"         TEXT         NOT NULL,
    "provider"          TEXT         NOT NULL,
    "providerReference" TEXT         NOT NULL,
    "brand"             TEXT,
    "lastFour"          TEXT,
    "isDefault"         BOOLEAN      NOT NULL DEFAULT false,
    "expiresAt"         TIMESTAMP(3),
    "createdAt"         TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_payment_methods_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "organization_payment_methods_provider_providerReference_key"
    ON "organization_payment_methods" ("provider", "providerReference");
CREATE INDEX "organization_payment_methods_billingId_idx"
    ON "organization_payment_methods" ("billingId");

-- Kept for the books: an organization with invoices cannot be deleted.
CREATE TABLE "organization_invoices" (
    "id"             TEXT          NOT NULL,
    "organizationId" TEXT          NOT NULL,
    "number"         TEXT          NOT NULL,
    "status"         TEXT          NOT NULL DEFAULT 'DRAFT',
    "subtotal"       DECIMAL(12,2) NOT NULL DEFAULT 0,
    "taxAmount"      DECIMAL(12,2) NOT NULL DEFAULT 0,
    "total"          DECIMAL(12,2) NOT NULL DEFAULT 0,
    "currency"       TEXT          NOT NULL DEFAULT 'USD',
    "periodStart"    DATE          NOT NULL,
    "periodEnd"      DATE          NOT NULL,
    "dueAt"          TIMESTAMP(3),
    "paidAt"         TIMESTAMP(3),
    "createdAt"      TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_invoices_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "organization_invoices_status_check"
        CHECK ("status" IN ('DRAFT', 'OPEN', 'PAID', 'VOID'))
);
CREATE UNIQUE INDEX "organization_invoices_number_key" ON "organization_invoices" ("number");
CREATE INDEX "organization_invoices_organizationId_createdAt_idx"
    ON "organization_invoices" ("organizationId", "createdAt");

-- Lines of an invoice.
CREATE TABLE "organization_invoice_items" (
    "id"          TEXT          NOT NULL,
    "invoiceId"   TEXT          NOT NULL,
    "description" TEXT          NOT NULL,
    "quantity"    INTEGER       NOT NULL DEFAULT 1,
    "unitPrice"   DECIMAL(12,2) NOT NULL DEFAULT 0,
    "total"       DECIMAL(12,2) NOT NULL DEFAULT 0,
    "createdAt"   TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_invoice_items_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "organization_invoice_items_invoiceId_idx"
    ON "organization_invoice_items" ("invoiceId");

-- What is counted towards limits and invoices, one row a metric and day.
CREATE TABLE "organization_usage_records" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT         NOT NULL,
    "metric"         TEXT         NOT NULL,
    "date"           DATE         NOT NULL,
    "quantity"       BIGINT       NOT NULL DEFAULT 0,
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organization_usage_records_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "organization_usage_records_organizationId_metric_date_key"
    ON "organization_usage_records" ("organizationId", "metric", "date");

-- Webhooks

-- An endpoint of an organization and the events that it wants.
CREATE TABLE "webhooks" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT         NOT NULL,
    "url"            TEXT         NOT NULL,
    "secretHash"     TEXT         NOT NULL,
    "events"         TEXT[]       NOT NULL DEFAULT ARRAY[]::TEXT[],
    "isActive"       BOOLEAN      NOT NULL DEFAULT true,
    "failureCount"   INTEGER      NOT NULL DEFAULT 0,
    "lastSuccessAt"  TIMESTAMP(3),
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhooks_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "webhooks_organizationId_idx" ON "webhooks" ("organizationId");

-- Every event that happened, whether somebody listened or not.
CREATE TABLE "webhook_event_logs" (
    "id"             TEXT         NOT NULL,
    "organizationId" TEXT         NOT NULL,
    "event"          TEXT         NOT NULL,
    "payload"        JSONB        NOT NULL DEFAULT '{}',
    "occurredAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhook_event_logs_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "webhook_event_logs_organizationId_occurredAt_idx"
    ON "webhook_event_logs" ("organizationId", "occurredAt");
CREATE INDEX "webhook_event_logs_event_occurredAt_idx"
    ON "webhook_event_logs" ("event", "occurredAt");

-- One attempt to deliver one event to one endpoint.
CREATE TABLE "webhook_deliveries" (
    "id"            TEXT         NOT NULL,
    "webhookId"     TEXT         NOT NULL,
    "eventId"       TEXT         NOT NULL,
    "attempt"       INTEGER      NOT NULL DEFAULT 1,
    "statusCode"    INTEGER,
    "responseBody"  TEXT,
    "durationMs"    INTEGER      NOT NULL DEFAULT 0,
    "isSuccessful"  BOOLEAN      NOT NULL DEFAULT false,
    "nextAttemptAt" TIMESTAMP(3),
    "createdAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "webhook_deliveries_webhookId_eventId_attempt_key"
    ON "webhook_deliveries" ("webhookId", "eventId", "attempt");
CREATE INDEX "webhook_deliveries_eventId_idx" ON "webhook_deliveries" ("eventId");

-- What was given up after the last attempt, to be sent again by hand.
CREATE TABLE "webhook_dead_letters" (
    "id"         TEXT         NOT NULL,
    "webhookId"  TEXT         NOT NULL,
    "eventId"    TEXT         NOT NULL,
    "deliveryId" TEXT,
    "reason"     TEXT         NOT NULL,
    "attempts"   INTEGER      NOT NULL DEFAULT 0,
    "replayedAt" TIMESTAMP(3),
    "createdAt"  TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhook_dead_letters_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "webhook_dead_letters_webhookId_idx" ON "webhook_dead_letters" ("webhookId");
CREATE INDEX "webhook_dead_letters_eventId_idx" ON "webhook_dead_letters" ("eventId");
CREATE INDEX "webhook_dead_letters_deliveryId_idx" ON "webhook_dead_letters" ("deliveryId");

-- Foreign keys, last: the locks that they take on the referenced tables are held the shortest.

ALTER TABLE "organization_settings" ADD CONSTRAINT "organization_settings_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "organization_addresses" ADD CONSTRAINT "organization_addresses_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "organization_roles" ADD CONSTRAINT "organization_roles_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "departments" ADD CONSTRAINT "departments_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "departments" ADD CONSTRAINT "departments_parentId_fkey"
    FOREIGN KEY ("parentId") REFERENCES "departments" ("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "departments" ADD CONSTRAINT "departments_headId_fkey"
    FOREIGN KEY ("headId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "teams" ADD CONSTRAINT "teams_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "teams" ADD CONSTRAINT "teams_departmentId_fkey"
    FOREIGN KEY ("departmentId") REFERENCES "departments" ("id")
    ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "teams" ADD CONSTRAINT "teams_leadId_fkey"
    FOREIGN KEY ("leadId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "organization_members" ADD CONSTRAINT "organization_members_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "organization_members" ADD CONSTRAINT "organization_members_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "organization_members" ADD CONSTRAINT "organization_members_roleId_fkey"
    FOREIGN KEY ("roleId") REFERENCES "organization_roles" ("id")
    ON DELETE NO ACTION ON UPDATE CASCADE;
ALTER TABLE "organization_members" ADD CONSTRAINT "organization_members_departmentId_fkey"
    FOREIGN KEY ("departmentId") REFERENCES "departments" ("id")
    ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "team_members" ADD CONSTRAINT "team_members_teamId_fkey"
    FOREIGN KEY ("teamId") REFERENCES "teams" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "team_members" ADD CONSTRAINT "team_members_memberId_fkey"
    FOREIGN KEY ("memberId") REFERENCES "organization_members" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "organization_invitations" ADD CONSTRAINT "organization_invitations_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "organization_invitations" ADD CONSTRAINT "organization_invitations_roleId_fkey"
    FOREIGN KEY ("roleId") REFERENCES "organization_roles" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "organization_invitations" ADD CONSTRAINT "organization_invitations_invitedById_fkey"
    FOREIGN KEY ("invitedById") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "kyc_applications" ADD CONSTRAINT "kyc_applications_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "kyc_applications" ADD CONSTRAINT "kyc_applications_submittedById_fkey"
    FOREIGN KEY ("submittedById") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "kyc_applications" ADD CONSTRAINT "kyc_applications_reviewerId_fkey"
    FOREIGN KEY ("reviewerId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "kyc_documents" ADD CONSTRAINT "kyc_documents_applicationId_fkey"
    FOREIGN KEY ("applicationId") REFERENCES "kyc_applications" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "kyc_reviews" ADD CONSTRAINT "kyc_reviews_applicationId_fkey"
    FOREIGN KEY ("applicationId") REFERENCES "kyc_applications" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "kyc_reviews" ADD CONSTRAINT "kyc_reviews_reviewerId_fkey"
    FOREIGN KEY ("reviewerId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "organization_api_keys" ADD CONSTRAINT "organization_api_keys_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "organization_api_keys" ADD CONSTRAINT "organization_api_keys_createdById_fkey"
    FOREIGN KEY ("createdById") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "organization_audit_logs" ADD CONSTRAINT "organization_audit_logs_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "organization_audit_logs" ADD CONSTRAINT "organization_audit_logs_actorId_fkey"
    FOREIGN KEY ("actorId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "organization_billing" ADD CONSTRAINT "organization_billing_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "organization_billing" ADD CONSTRAINT "organization_billing_planId_fkey"
    FOREIGN KEY ("planId") REFERENCES "subscription_plans" ("id")
    ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "organization_payment_methods"
    ADD CONSTRAINT "organization_payment_methods_billingId_fkey"
    FOREIGN KEY ("billingId") REFERENCES "organization_billing" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "organization_invoices" ADD CONSTRAINT "organization_invoices_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "organization_invoice_items" ADD CONSTRAINT "organization_invoice_items_invoiceId_fkey"
    FOREIGN KEY ("invoiceId") REFERENCES "organization_invoices" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "organization_usage_records"
    ADD CONSTRAINT "organization_usage_records_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "webhook_event_logs" ADD CONSTRAINT "webhook_event_logs_organizationId_fkey"
    FOREIGN KEY ("organizationId") REFERENCES "organizations" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_webhookId_fkey"
    FOREIGN KEY ("webhookId") REFERENCES "webhooks" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_eventId_fkey"
    FOREIGN KEY ("eventId") REFERENCES "webhook_event_logs" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "webhook_dead_letters" ADD CONSTRAINT "webhook_dead_letters_webhookId_fkey"
    FOREIGN KEY ("webhookId") REFERENCES "webhooks" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "webhook_dead_letters" ADD CONSTRAINT "webhook_dead_letters_eventId_fkey"
    FOREIGN KEY ("eventId") REFERENCES "webhook_event_logs" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "webhook_dead_letters" ADD CONSTRAINT "webhook_dead_letters_deliveryId_fkey"
    FOREIGN KEY ("deliveryId") REFERENCES "webhook_deliveries" ("id")
    ON DELETE SET NULL ON UPDATE CASCADE;
