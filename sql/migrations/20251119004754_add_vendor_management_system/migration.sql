-- Migration 3 of the brief: Vendor Management System.
-- Onboarding, payouts, commission and performance of vendors, who are users with a profile.

-- Enums

CREATE TYPE "VendorStatus" AS ENUM ('PENDING', 'ACTIVE', 'SUSPENDED', 'TERMINATED');
CREATE TYPE "VendorApplicationStatus" AS ENUM (
    'DRAFT', 'SUBMITTED', 'UNDER_REVIEW', 'APPROVED', 'REJECTED', 'WITHDRAWN'
);
CREATE TYPE "PayoutStatus" AS ENUM ('PENDING', 'PROCESSING', 'PAID', 'FAILED', 'CANCELLED');
CREATE TYPE "PayoutMethod" AS ENUM ('BANK_TRANSFER', 'PAYPAL', 'STRIPE', 'CHECK');

-- Onboarding

-- One business a user.
CREATE TABLE "vendor_profiles" (
    "id"             TEXT           NOT NULL,
    "userId"         TEXT           NOT NULL,
    "businessName"   TEXT           NOT NULL,
    "slug"           TEXT           NOT NULL,
    "description"    TEXT,
    "logoUrl"        TEXT,
    "taxId"          TEXT,
    "supportEmail"   TEXT,
    "status"         "VendorStatus" NOT NULL DEFAULT 'PENDING',
    "payoutMethod"   "PayoutMethod" NOT NULL DEFAULT 'BANK_TRANSFER',
    "commissionRate" DECIMAL(5,2)   NOT NULL DEFAULT 0,
    "averageRating"  DECIMAL(5,2)   NOT NULL DEFAULT 0,
    "isVerified"     BOOLEAN        NOT NULL DEFAULT false,
    "approvedAt"     TIMESTAMP(3),
    "createdAt"      TIMESTAMP(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "vendor_profiles_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "vendor_profiles_userId_key" ON "vendor_profiles" ("userId");
CREATE UNIQUE INDEX "vendor_profiles_slug_key" ON "vendor_profiles" ("slug");

-- An applicant has no profile yet; a reviewer may leave, the decision stays.
CREATE TABLE "vendor_applications" (
    "id"              TEXT                      NOT NULL,
    "userId"          TEXT                      NOT NULL,
    "reviewerId"      TEXT,
    "status"          "VendorApplicationStatus" NOT NULL DEFAULT 'DRAFT',
    "businessName"    TEXT                      NOT NULL,
    "businessType"    TEXT,
    "documents"       JSONB                     NOT NULL DEFAULT '[]',
    "rejectionReason" TEXT,
    "submittedAt"     TIMESTAMP(3),
    "reviewedAt"      TIMESTAMP(3),
    "createdAt"       TIMESTAMP(3)              NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"       TIMESTAMP(3)              NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "vendor_applications_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "vendor_applications_userId_idx" ON "vendor_applications" ("userId");
CREATE INDEX "vendor_applications_reviewerId_idx" ON "vendor_applications" ("reviewerId");

-- Money

-- Money paid: keeps its vendor from being deleted.
CREATE TABLE "vendor_payouts" (
    "id"            TEXT           NOT NULL,
    "vendorId"      TEXT           NOT NULL,
    "number"        TEXT           NOT NULL,
    "status"        "PayoutStatus" NOT NULL DEFAULT 'PENDING',
    "method"        "PayoutMethod" NOT NULL DEFAULT 'BANK_TRANSFER',
    "grossAmount"   DECIMAL(12,2)  NOT NULL DEFAULT 0,
    "commission"    DECIMAL(12,2)  NOT NULL DEFAULT 0,
    "netAmount"     DECIMAL(12,2)  NOT NULL DEFAULT 0,
    "currency"      TEXT           NOT NULL DEFAULT 'USD',
    "periodStart"   DATE           NOT NULL,
    "periodEnd"     DATE           NOT NULL,
    "reference"     TEXT,
    "failureReason" TEXT,
    "paidAt"        TIMESTAMP(3),
    "createdAt"     TIMESTAMP(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"     TIMESTAMP(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "vendor_payouts_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "vendor_payouts_period_check" CHECK ("periodEnd" >= "periodStart")
);
CREATE UNIQUE INDEX "vendor_payouts_number_key" ON "vendor_payouts" ("number");
CREATE INDEX "vendor_payouts_vendorId_idx" ON "vendor_payouts" ("vendorId");

-- The most specific rule wins: without a vendor it is for all, without a category for all goods.
CREATE TABLE "vendor_commission_rules" (
    "id"           TEXT          NOT NULL,
    "vendorId"     TEXT,
    "categoryId"   TEXT,
    "rate"         DECIMAL(5,2)  NOT NULL DEFAULT 0,
    "flatFee"      DECIMAL(12,2) NOT NULL DEFAULT 0,
    "minimumOrder" DECIMAL(12,2) NOT NULL DEFAULT 0,
    "priority"     INTEGER       NOT NULL DEFAULT 0,
    "validFrom"    TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "validUntil"   TIMESTAMP(3),
    "isActive"     BOOLEAN       NOT NULL DEFAULT true,
    "createdAt"    TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"    TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "vendor_commission_rules_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "vendor_commission_rules_rate_check" CHECK ("rate" BETWEEN 0 AND 100)
);
CREATE INDEX "vendor_commission_rules_vendorId_idx" ON "vendor_commission_rules" ("vendorId");
CREATE INDEX "vendor_commission_rules_categoryId_idx" ON "vendor_commission_rules" ("categoryId");

-- Performance

-- One row a vendor and period.
CREATE TABLE "vendor_performance_metrics" (
    "id"              TEXT         NOT NULL,
    "vendorId"        TEXT         NOT NULL,
    "periodStart"     DATE         NOT NULL,
    "periodEnd"       DATE         NOT NULL,
    "ordersFulfilled" INTEGER      NOT NULL DEFAULT 0,
    "ordersCancelled" INTEGER      NOT NULL DEFAULT 0,
    "onTimeRate"      DECIMAL(5,2) NOT NULL DEFAULT 0,
    "returnRate"      DECIMAL(5,2) NOT NULL DEFAULT 0,
    "responseMinutes" INTEGER      NOT NULL DEFAULT 0,
    "averageRating"   DECIMAL(5,2) NOT NULL DEFAULT 0,
    "score"           DECIMAL(5,2) NOT NULL DEFAULT 0,
    "createdAt"       TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "vendor_performance_metrics_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "vendor_performance_metrics_vendorId_periodStart_key"
    ON "vendor_performance_metrics" ("vendorId", "periodStart");

-- Foreign keys, last: the locks that they take on the referenced tables are held the shortest.

ALTER TABLE "vendor_profiles" ADD CONSTRAINT "vendor_profiles_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "vendor_applications" ADD CONSTRAINT "vendor_applications_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "vendor_applications" ADD CONSTRAINT "vendor_applications_reviewerId_fkey"
    FOREIGN KEY ("reviewerId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "vendor_payouts" ADD CONSTRAINT "vendor_payouts_vendorId_fkey"
    FOREIGN KEY ("vendorId") REFERENCES "vendor_profiles" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "vendor_commission_rules" ADD CONSTRAINT "vendor_commission_rules_vendorId_fkey"
    FOREIGN KEY ("vendorId") REFERENCES "vendor_profiles" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "vendor_commission_rules" ADD CONSTRAINT "vendor_commission_rules_categoryId_fkey"
    FOREIGN KEY ("categoryId") REFERENCES "categories" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "vendor_performance_metrics" ADD CONSTRAINT "vendor_performance_metrics_vendorId_fkey"
    FOREIGN KEY ("vendorId") REFERENCES "vendor_profiles" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
