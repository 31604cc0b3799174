-- Migration 6 of the brief: Privacy and Consent.
-- GDPR and CCPA: what was consented to, what was asked to be deleted or exported, which terms.

-- Each change is a new row; it holds personal data, so it goes with the account.
CREATE TABLE "ConsentLog" (
    "id"                TEXT         NOT NULL,
    "userId"            TEXT         NOT NULL,
    "dataProcessing"    BOOLEAN      NOT NULL DEFAULT false,
    "marketing"         BOOLEAN      NOT NULL DEFAULT false,
    "analytics"         BOOLEAN      NOT NULL DEFAULT false,
    "thirdPartySharing" BOOLEAN      NOT NULL DEFAULT false,
    "version"           TEXT         NOT NULL DEFAULT '1.0',
    "ipAddress"         TEXT,
    "userAgent"         TEXT,
    "createdAt"         TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ConsentLog_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "ConsentLog_userId_createdAt_idx" ON "ConsentLog" ("userId", "createdAt");

-- Outlives the account that it deletes: without the user it still proves what was done.
CREATE TABLE "DataDeletionRequest" (
    "id"            TEXT         NOT NULL,
    "userId"        TEXT,
    "strategy"      TEXT         NOT NULL DEFAULT 'SOFT',
    "status"        TEXT         NOT NULL DEFAULT 'PENDING',
    "reason"        TEXT,
    "scheduledDate" TIMESTAMP(3),
    "processedAt"   TIMESTAMP(3),
    "createdAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "DataDeletionRequest_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "DataDeletionRequest_strategy_check" CHECK ("strategy" IN ('SOFT', 'HARD')),
    CONSTRAINT "DataDeletionRequest_status_check"
        CHECK ("status" IN ('PENDING', 'PROCESSING', 'COMPLETED'))
);
CREATE INDEX "DataDeletionRequest_status_scheduledDate_idx"
    ON "DataDeletionRequest" ("status", "scheduledDate");
CREATE INDEX "DataDeletionRequest_userId_idx" ON "DataDeletionRequest" ("userId");

-- The link is short-lived; the row says what was handed out and when.
CREATE TABLE "DataExportRequest" (
    "id"          TEXT         NOT NULL,
    "userId"      TEXT         NOT NULL,
    "format"      TEXT         NOT NULL DEFAULT 'JSON',
    "status"      TEXT         NOT NULL DEFAULT 'PENDING',
    "downloadUrl" TEXT,
    "fileSize"    BIGINT       NOT NULL DEFAULT 0,
    "expiresAt"   TIMESTAMP(3),
    "completedAt" TIMESTAMP(3),
    "createdAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "DataExportRequest_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "DataExportRequest_status_check"
        CHECK ("status" IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'EXPIRED'))
);
CREATE INDEX "DataExportRequest_status_createdAt_idx"
    ON "DataExportRequest" ("status", "createdAt");
CREATE INDEX "DataExportRequest_userId_idx" ON "DataExportRequest" ("userId");

-- Which version of which document was accepted, once each.
CREATE TABLE "AgreedTerms" (
    "id"        TEXT         NOT NULL,
    "userId"    TEXT         NOT NULL,
    "document"  TEXT         NOT NULL DEFAULT 'TERMS_OF_SERVICE',
    "version"   TEXT         NOT NULL,
    "ipAddress" TEXT,
    "userAgent" TEXT,
    "agreedAt"  TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AgreedTerms_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "AgreedTerms_userId_document_version_key"
    ON "AgreedTerms" ("userId", "document", "version");

-- Foreign keys, last: the locks that they take on the referenced tables are held the shortest.

ALTER TABLE "ConsentLog" ADD CONSTRAINT "ConsentLog_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "DataDeletionRequest" ADD CONSTRAINT "DataDeletionRequest_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "DataExportRequest" ADD CONSTRAINT "DataExportRequest_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "AgreedTerms" ADD CONSTRAINT "AgreedTerms_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
