-- Migration 2 of the brief: Schema Phase 30 Sync.
-- Advertising, subscriptions, BNPL, recommendations, search, dashboards, languages, loyalty,
-- deals, gift cards, store credit and analytics. New tables only: no existing table is altered.

-- Enums

CREATE TYPE "AdCampaignStatus" AS ENUM ('DRAFT', 'ACTIVE', 'PAUSED', 'COMPLETED', 'CANCELLED');
CREATE TYPE "AdPlacement" AS ENUM ('HOME', 'SEARCH', 'CATEGORY', 'PRODUCT', 'EMAIL');
CREATE TYPE "AdStatus" AS ENUM ('PENDING_REVIEW', 'ACTIVE', 'PAUSED', 'REJECTED');
CREATE TYPE "KeywordMatchType" AS ENUM ('EXACT', 'PHRASE', 'BROAD');
CREATE TYPE "BillingInterval" AS ENUM ('MONTHLY', 'QUARTERLY', 'YEARLY');
CREATE TYPE "SubscriptionStatus" AS ENUM ('TRIALING', 'ACTIVE', 'PAST_DUE', 'CANCELLED', 'EXPIRED');
CREATE TYPE "SubscriptionInvoiceStatus" AS ENUM ('DRAFT', 'OPEN', 'PAID', 'VOID', 'UNCOLLECTIBLE');
CREATE TYPE "BnplProvider" AS ENUM ('KLARNA', 'AFFIRM', 'AFTERPAY');
CREATE TYPE "BnplPlanStatus" AS ENUM ('PENDING', 'ACTIVE', 'COMPLETED', 'DEFAULTED', 'CANCELLED');
CREATE TYPE "InstallmentStatus" AS ENUM ('PENDING', 'PAID', 'OVERDUE', 'WAIVED');
CREATE TYPE "RecommendationKind" AS ENUM ('SIMILAR', 'BOUGHT_TOGETHER', 'PERSONAL', 'TRENDING');
CREATE TYPE "BehaviorType" AS ENUM ('VIEW', 'SEARCH', 'ADD_TO_CART', 'PURCHASE', 'WISHLIST');
CREATE TYPE "WidgetType" AS ENUM ('NUMBER', 'LINE', 'BAR', 'PIE', 'TABLE');
CREATE TYPE "ReportFormat" AS ENUM ('CSV', 'XLSX', 'PDF', 'JSON');
CREATE TYPE "PointTransactionType" AS ENUM ('EARNED', 'REDEEMED', 'EXPIRED', 'ADJUSTED');
CREATE TYPE "RewardType" AS ENUM ('DISCOUNT', 'FREE_SHIPPING', 'PRODUCT', 'STORE_CREDIT');
CREATE TYPE "RedemptionStatus" AS ENUM ('PENDING', 'FULFILLED', 'CANCELLED');
CREATE TYPE "ReferralStatus" AS ENUM ('INVITED', 'REGISTERED', 'REWARDED', 'EXPIRED');
CREATE TYPE "DealType" AS ENUM ('FLASH_SALE', 'DAILY', 'SEASONAL', 'CLEARANCE');
CREATE TYPE "DealNotificationStatus" AS ENUM ('PENDING', 'SENT', 'FAILED');
CREATE TYPE "GiftCardStatus" AS ENUM ('ACTIVE', 'REDEEMED', 'EXPIRED', 'CANCELLED');
CREATE TYPE "GiftCardTransactionType" AS ENUM ('ISSUE', 'REDEEM', 'REFUND', 'EXPIRE');
CREATE TYPE "StoreCreditTransactionType" AS ENUM ('CREDIT', 'DEBIT', 'EXPIRE', 'ADJUST');
CREATE TYPE "AnalyticsPeriod" AS ENUM ('DAY', 'WEEK', 'MONTH');

-- Advertising

-- A vendor's budget and time span for a group of ads.
CREATE TABLE "ad_campaigns" (
    "id"          TEXT               NOT NULL,
    "vendorId"    TEXT               NOT NULL,
    "name"        TEXT               NOT NULL,
    "status"      "AdCampaignStatus" NOT NULL DEFAULT 'DRAFT',
    "dailyBudget" DECIMAL(12,2)      NOT NULL DEFAULT 0,
    "totalBudget" DECIMAL(12,2)      NOT NULL DEFAULT 0,
    "spent"       DECIMAL(12,2)      NOT NULL DEFAULT 0,
    "startsAt"    TIMESTAMP(3)       NOT NULL,
    "endsAt"      TIMESTAMP(3),
    "createdAt"   TIMESTAMP(3)       NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"   TIMESTAMP(3)       NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ad_campaigns_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "ad_campaigns_budget_check" CHECK ("spent" >= 0 AND "totalBudget" >= 0)
);
CREATE INDEX "ad_campaigns_vendorId_idx" ON "ad_campaigns" ("vendorId");

-- One creative; productId is null for an ad of a whole shop.
CREATE TABLE "advertisements" (
    "id"           TEXT          NOT NULL,
    "campaignId"   TEXT          NOT NULL,
    "productId"    TEXT,
    "title"        TEXT          NOT NULL,
    "body"         TEXT,
    "imageUrl"     TEXT,
    "targetUrl"    TEXT          NOT NULL,
    "placement"    "AdPlacement" NOT NULL DEFAULT 'SEARCH',
    "status"       "AdStatus"    NOT NULL DEFAULT 'PENDING_REVIEW',
    "costPerClick" DECIMAL(12,2) NOT NULL DEFAULT 0,
    "createdAt"    TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"    TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "advertisements_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "advertisements_campaignId_idx" ON "advertisements" ("campaignId");
CREATE INDEX "advertisements_productId_idx" ON "advertisements" ("productId");

-- What a search must contain for an ad of the campaign to be shown.
CREATE TABLE "ad_keywords" (
    "id"         TEXT               NOT NULL,
    "campaignId" TEXT               NOT NULL,
    "keyword"    TEXT               NOT NULL,
    "matchType"  "KeywordMatchType" NOT NULL DEFAULT 'BROAD',
    "bid"        DECIMAL(12,2)      NOT NULL DEFAULT 0,
    "isNegative" BOOLEAN            NOT NULL DEFAULT false,
    "createdAt"  TIMESTAMP(3)       NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ad_keywords_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "ad_keywords_campaignId_keyword_matchType_key"
    ON "ad_keywords" ("campaignId", "keyword", "matchType");

-- Append-only log, the fastest growing table of the release.
CREATE TABLE "ad_impressions" (
    "id"        TEXT          NOT NULL,
    "adId"      TEXT          NOT NULL,
    "userId"    TEXT,
    "placement" "AdPlacement" NOT NULL DEFAULT 'SEARCH',
    "sessionId" TEXT,
    "cost"      DECIMAL(12,2) NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ad_impressions_pkey" PRIMARY KEY ("id")
);

-- Append-only log; the impression may already have been pruned.
CREATE TABLE "ad_clicks" (
    "id"           TEXT          NOT NULL,
    "adId"         TEXT          NOT NULL,
    "userId"       TEXT,
    "impressionId" TEXT,
    "sessionId"    TEXT,
    "cost"         DECIMAL(12,2) NOT NULL DEFAULT 0,
    "isConverted"  BOOLEAN       NOT NULL DEFAULT false,
    "createdAt"    TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ad_clicks_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "ad_clicks_impressionId_idx" ON "ad_clicks" ("impressionId");

-- Subscriptions

-- Pricing tiers.
CREATE TABLE "subscription_plans" (
    "id"          TEXT              NOT NULL,
    "code"        TEXT              NOT NULL,
    "name"        TEXT              NOT NULL,
    "description" TEXT,
    "interval"    "BillingInterval" NOT NULL DEFAULT 'MONTHLY',
    "price"       DECIMAL(12,2)     NOT NULL DEFAULT 0,
    "currency"    TEXT              NOT NULL DEFAULT 'USD',
    "trialDays"   INTEGER           NOT NULL DEFAULT 0,
    "features"    JSONB             NOT NULL DEFAULT '[]',
    "isActive"    BOOLEAN           NOT NULL DEFAULT true,
    "createdAt"   TIMESTAMP(3)      NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"   TIMESTAMP(3)      NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "subscription_plans_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "subscription_plans_code_key" ON "subscription_plans" ("code");

-- A plan in use cannot be deleted; it is made inactive instead.
CREATE TABLE "subscriptions" (
    "id"                 TEXT                 NOT NULL,
    "userId"             TEXT                 NOT NULL,
    "planId"             TEXT                 NOT NULL,
    "status"             "SubscriptionStatus" NOT NULL DEFAULT 'TRIALING',
    "currentPeriodStart" TIMESTAMP(3)         NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "currentPeriodEnd"   TIMESTAMP(3)         NOT NULL,
    "cancelAtPeriodEnd"  BOOLEAN              NOT NULL DEFAULT false,
    "cancelledAt"        TIMESTAMP(3),
    "createdAt"          TIMESTAMP(3)         NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"          TIMESTAMP(3)         NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "subscriptions_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "subscriptions_userId_idx" ON "subscriptions" ("userId");
CREATE INDEX "subscriptions_planId_idx" ON "subscriptions" ("planId");

-- An issued invoice keeps its subscription from being deleted.
CREATE TABLE "subscription_invoices" (
    "id"             TEXT                        NOT NULL,
    "subscriptionId" TEXT                        NOT NULL,
    "number"         TEXT                        NOT NULL,
    "status"         "SubscriptionInvoiceStatus" NOT NULL DEFAULT 'DRAFT',
    "amountDue"      DECIMAL(12,2)               NOT NULL DEFAULT 0,
    "amountPaid"     DECIMAL(12,2)               NOT NULL DEFAULT 0,
    "currency"       TEXT                        NOT NULL DEFAULT 'USD',
    "dueAt"          TIMESTAMP(3),
    "paidAt"         TIMESTAMP(3),
    "createdAt"      TIMESTAMP(3)                NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3)                NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "subscription_invoices_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "subscription_invoices_number_key" ON "subscription_invoices" ("number");
CREATE INDEX "subscription_invoices_subscriptionId_idx"
    ON "subscription_invoices" ("subscriptionId");

-- Buy now, pay later

-- One plan an order; the provider's own reference makes its webhooks idempotent.
CREATE TABLE "bnpl_payment_plans" (
    "id"                TEXT             NOT NULL,
    "orderId"           TEXT             NOT NULL,
    "userId"            TEXT,
    "provider"          "BnplProvider"   NOT NULL,
    "providerReference" TEXT,
    "status"            "BnplPlanStatus" NOT NULL DEFAULT 'PENDING',
    "totalAmount"       DECIMAL(12,2)    NOT NULL DEFAULT 0,
    "installmentCount"  INTEGER          NOT NULL DEFAULT 4,
    "currency"          TEXT             NOT NULL DEFAULT 'USD',
    "createdAt"         TIMESTAMP(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"         TIMESTAMP(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "bnpl_payment_plans_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "bnpl_payment_plans_orderId_key" ON "bnpl_payment_plans" ("orderId");
CREATE UNIQUE INDEX "bnpl_payment_plans_provider_providerReference_key"
    ON "bnpl_payment_plans" ("provider", "providerReference");
CREATE INDEX "bnpl_payment_plans_userId_idx" ON "bnpl_payment_plans" ("userId");

-- What is due when, and whether it was paid.
CREATE TABLE "bnpl_installments" (
    "id"        TEXT                NOT NULL,
    "planId"    TEXT                NOT NULL,
    "sequence"  INTEGER             NOT NULL,
    "amount"    DECIMAL(12,2)       NOT NULL DEFAULT 0,
    "status"    "InstallmentStatus" NOT NULL DEFAULT 'PENDING',
    "dueDate"   DATE                NOT NULL,
    "paidAt"    TIMESTAMP(3),
    "createdAt" TIMESTAMP(3)        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3)        NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "bnpl_installments_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "bnpl_installments_planId_sequence_key"
    ON "bnpl_installments" ("planId", "sequence");

-- AI recommendations

-- Computed pairs: for a product, others to show with it.
CREATE TABLE "product_recommendations" (
    "id"            TEXT                 NOT NULL,
    "productId"     TEXT                 NOT NULL,
    "recommendedId" TEXT                 NOT NULL,
    "kind"          "RecommendationKind" NOT NULL DEFAULT 'SIMILAR',
    "score"         DECIMAL(6,5)         NOT NULL DEFAULT 0,
    "modelVersion"  TEXT                 NOT NULL DEFAULT 'v1',
    "createdAt"     TIMESTAMP(3)         NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "product_recommendations_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "product_recommendations_productId_kind_recommendedId_key"
    ON "product_recommendations" ("productId", "kind", "recommendedId");
CREATE INDEX "product_recommendations_recommendedId_idx"
    ON "product_recommendations" ("recommendedId");

-- Computed for one customer; expires with the model run.
CREATE TABLE "user_recommendations" (
    "id"          TEXT                 NOT NULL,
    "userId"      TEXT                 NOT NULL,
    "productId"   TEXT                 NOT NULL,
    "kind"        "RecommendationKind" NOT NULL DEFAULT 'PERSONAL',
    "score"       DECIMAL(6,5)         NOT NULL DEFAULT 0,
    "isDismissed" BOOLEAN              NOT NULL DEFAULT false,
    "expiresAt"   TIMESTAMP(3),
    "createdAt"   TIMESTAMP(3)         NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_recommendations_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "user_recommendations_userId_productId_key"
    ON "user_recommendations" ("userId", "productId");
CREATE INDEX "user_recommendations_productId_idx" ON "user_recommendations" ("productId");

-- Append-only log that the models are trained on.
CREATE TABLE "user_behaviors" (
    "id"        TEXT           NOT NULL,
    "userId"    TEXT,
    "productId" TEXT,
    "type"      "BehaviorType" NOT NULL DEFAULT 'VIEW',
    "sessionId" TEXT,
    "metadata"  JSONB,
    "createdAt" TIMESTAMP(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_behaviors_pkey" PRIMARY KEY ("id")
);

-- What the models have learnt, or the customer has said, one row a customer.
CREATE TABLE "user_preferences" (
    "id"                    TEXT          NOT NULL,
    "userId"                TEXT          NOT NULL,
    "favoriteTags"          TEXT[]        NOT NULL DEFAULT ARRAY[]::TEXT[],
    "priceMin"              DECIMAL(12,2),
    "priceMax"              DECIMAL(12,2),
    "allowsPersonalization" BOOLEAN       NOT NULL DEFAULT false,
    "createdAt"             TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"             TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_preferences_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "user_preferences_userId_key" ON "user_preferences" ("userId");

-- Search and discovery

-- Append-only log of what was searched and found.
CREATE TABLE "search_queries" (
    "id"               TEXT         NOT NULL,
    "userId"           TEXT,
    "term"             TEXT         NOT NULL,
    "normalizedTerm"   TEXT         NOT NULL,
    "resultCount"      INTEGER      NOT NULL DEFAULT 0,
    "clickedProductId" TEXT,
    "durationMs"       INTEGER      NOT NULL DEFAULT 0,
    "createdAt"        TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "search_queries_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "search_queries_userId_idx" ON "search_queries" ("userId");
CREATE INDEX "search_queries_clickedProductId_idx" ON "search_queries" ("clickedProductId");

-- Completions, by weight.
CREATE TABLE "search_suggestions" (
    "id"        TEXT         NOT NULL,
    "term"      TEXT         NOT NULL,
    "weight"    INTEGER      NOT NULL DEFAULT 0,
    "isActive"  BOOLEAN      NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "search_suggestions_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "search_suggestions_term_key" ON "search_suggestions" ("term");

-- Terms that the search treats as one.
CREATE TABLE "search_synonyms" (
    "id"        TEXT         NOT NULL,
    "term"      TEXT         NOT NULL,
    "synonyms"  TEXT[]       NOT NULL DEFAULT ARRAY[]::TEXT[],
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "search_synonyms_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "search_synonyms_term_key" ON "search_synonyms" ("term");

-- A search that a customer wants to be told about.
CREATE TABLE "saved_searches" (
    "id"            TEXT         NOT NULL,
    "userId"        TEXT         NOT NULL,
    "name"          TEXT         NOT NULL,
    "filters"       JSONB        NOT NULL DEFAULT '{}',
    "notifyByEmail" BOOLEAN      NOT NULL DEFAULT false,
    "lastRunAt"     TIMESTAMP(3),
    "createdAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "saved_searches_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "saved_searches_userId_name_key" ON "saved_searches" ("userId", "name");

-- Recently viewed: the newest view of a customer and product.
CREATE TABLE "product_views" (
    "id"           TEXT         NOT NULL,
    "userId"       TEXT         NOT NULL,
    "productId"    TEXT         NOT NULL,
    "viewCount"    INTEGER      NOT NULL DEFAULT 1,
    "lastViewedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdAt"    TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "product_views_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "product_views_userId_productId_key" ON "product_views" ("userId", "productId");
CREATE INDEX "product_views_productId_idx" ON "product_views" ("productId");

-- Dashboards

-- A layout that belongs to one user and may be shared.
CREATE TABLE "dashboards" (
    "id"        TEXT         NOT NULL,
    "userId"    TEXT         NOT NULL,
    "name"      TEXT         NOT NULL,
    "layout"    JSONB        NOT NULL DEFAULT '{}',
    "isShared"  BOOLEAN      NOT NULL DEFAULT false,
    "isDefault" BOOLEAN      NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "dashboards_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "dashboards_userId_idx" ON "dashboards" ("userId");

-- One chart or number of a dashboard.
CREATE TABLE "dashboard_widgets" (
    "id"          TEXT         NOT NULL,
    "dashboardId" TEXT         NOT NULL,
    "type"        "WidgetType" NOT NULL DEFAULT 'NUMBER',
    "title"       TEXT         NOT NULL,
    "metric"      TEXT         NOT NULL,
    "settings"    JSONB        NOT NULL DEFAULT '{}',
    "position"    INTEGER      NOT NULL DEFAULT 0,
    "createdAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "dashboard_widgets_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "dashboard_widgets_dashboardId_idx" ON "dashboard_widgets" ("dashboardId");

-- Precomputed points that the widgets read.
CREATE TABLE "dashboard_metrics" (
    "id"         TEXT          NOT NULL,
    "metric"     TEXT          NOT NULL,
    "dimension"  TEXT          NOT NULL DEFAULT '',
    "value"      DECIMAL(18,4) NOT NULL DEFAULT 0,
    "recordedAt" TIMESTAMP(3)  NOT NULL,
    "createdAt"  TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "dashboard_metrics_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "dashboard_metrics_metric_dimension_recordedAt_key"
    ON "dashboard_metrics" ("metric", "dimension", "recordedAt");

-- A report that was asked for, and where it lies.
CREATE TABLE "analytics_reports" (
    "id"            TEXT           NOT NULL,
    "requestedById" TEXT,
    "name"          TEXT           NOT NULL,
    "format"        "ReportFormat" NOT NULL DEFAULT 'CSV',
    "parameters"    JSONB          NOT NULL DEFAULT '{}',
    "fileUrl"       TEXT,
    "completedAt"   TIMESTAMP(3),
    "createdAt"     TIMESTAMP(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "analytics_reports_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "analytics_reports_requestedById_idx" ON "analytics_reports" ("requestedById");

-- Languages

-- BCP 47 code, such as en or pt-BR.
CREATE TABLE "languages" (
    "id"            TEXT         NOT NULL,
    "code"          TEXT         NOT NULL,
    "name"          TEXT         NOT NULL,
    "nativeName"    TEXT         NOT NULL,
    "isRightToLeft" BOOLEAN      NOT NULL DEFAULT false,
    "isDefault"     BOOLEAN      NOT NULL DEFAULT false,
    "isActive"      BOOLEAN      NOT NULL DEFAULT true,
    "createdAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "languages_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "languages_code_key" ON "languages" ("code");

-- Words of the user interface.
CREATE TABLE "translations" (
    "id"         TEXT         NOT NULL,
    "languageId" TEXT         NOT NULL,
    "namespace"  TEXT         NOT NULL DEFAULT 'common',
    "key"        TEXT         NOT NULL,
    "value"      TEXT         NOT NULL DEFAULT '',
    "createdAt"  TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"  TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "translations_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "translations_languageId_namespace_key_key"
    ON "translations" ("languageId", "namespace", "key");

-- Words of the catalogue.
CREATE TABLE "product_translations" (
    "id"            TEXT         NOT NULL,
    "productId"     TEXT         NOT NULL,
    "languageId"    TEXT         NOT NULL,
    "name"          TEXT         NOT NULL,
    "description"   TEXT,
    "isMachineMade" BOOLEAN      NOT NULL DEFAULT false,
    "createdAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "product_translations_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "product_translations_productId_languageId_key"
    ON "product_translations" ("productId", "languageId");
CREATE INDEX "product_translations_languageId_idx" ON "product_translations" ("languageId");

-- Words of the navigation.
CREATE TABLE "category_translations" (
    "id"          TEXT         NOT NULL,
    "categoryId"  TEXT         NOT NULL,
    "languageId"  TEXT         NOT NULL,
    "name"        TEXT         NOT NULL,
    "description" TEXT,
    "createdAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "category_translations_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "category_translations_categoryId_languageId_key"
    ON "category_translations" ("categoryId", "languageId");
CREATE INDEX "category_translations_languageId_idx" ON "category_translations" ("languageId");

-- Loyalty

-- Bronze to platinum: from how many points, and what it gives.
CREATE TABLE "loyalty_tiers" (
    "id"               TEXT         NOT NULL,
    "name"             TEXT         NOT NULL,
    "minimumPoints"    INTEGER      NOT NULL DEFAULT 0,
    "pointsMultiplier" DECIMAL(5,2) NOT NULL DEFAULT 1,
    "benefits"         JSONB        NOT NULL DEFAULT '[]',
    "position"         INTEGER      NOT NULL DEFAULT 0,
    "createdAt"        TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"        TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "loyalty_tiers_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "loyalty_tiers_name_key" ON "loyalty_tiers" ("name");

-- One balance a customer; the ledger below is what it is the sum of.
CREATE TABLE "customer_loyalty" (
    "id"             TEXT         NOT NULL,
    "userId"         TEXT         NOT NULL,
    "tierId"         TEXT,
    "pointsBalance"  INTEGER      NOT NULL DEFAULT 0,
    "lifetimePoints" INTEGER      NOT NULL DEFAULT 0,
    "referralCode"   TEXT         NOT NULL,
    "enrolledAt"     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "customer_loyalty_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "customer_loyalty_userId_key" ON "customer_loyalty" ("userId");
CREATE UNIQUE INDEX "customer_loyalty_referralCode_key" ON "customer_loyalty" ("referralCode");
CREATE INDEX "customer_loyalty_tierId_idx" ON "customer_loyalty" ("tierId");

-- Points ledger: rows are added, never changed.
CREATE TABLE "point_transactions" (
    "id"           TEXT                   NOT NULL,
    "loyaltyId"    TEXT                   NOT NULL,
    "orderId"      TEXT,
    "type"         "PointTransactionType" NOT NULL DEFAULT 'EARNED',
    "points"       INTEGER                NOT NULL DEFAULT 0,
    "balanceAfter" INTEGER                NOT NULL DEFAULT 0,
    "description"  TEXT,
    "expiresAt"    TIMESTAMP(3),
    "createdAt"    TIMESTAMP(3)           NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "point_transactions_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "point_transactions_orderId_idx" ON "point_transactions" ("orderId");

-- What points can buy.
CREATE TABLE "rewards" (
    "id"          TEXT          NOT NULL,
    "name"        TEXT          NOT NULL,
    "description" TEXT,
    "type"        "RewardType"  NOT NULL DEFAULT 'DISCOUNT',
    "pointsCost"  INTEGER       NOT NULL DEFAULT 0,
    "value"       DECIMAL(12,2) NOT NULL DEFAULT 0,
    "stock"       INTEGER,
    "isActive"    BOOLEAN       NOT NULL DEFAULT true,
    "createdAt"   TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"   TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "rewards_pkey" PRIMARY KEY ("id")
);

-- A reward that was ever redeemed cannot be deleted.
CREATE TABLE "reward_redemptions" (
    "id"          TEXT               NOT NULL,
    "loyaltyId"   TEXT               NOT NULL,
    "rewardId"    TEXT               NOT NULL,
    "orderId"     TEXT,
    "status"      "RedemptionStatus" NOT NULL DEFAULT 'PENDING',
    "pointsSpent" INTEGER            NOT NULL DEFAULT 0,
    "fulfilledAt" TIMESTAMP(3),
    "createdAt"   TIMESTAMP(3)       NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"   TIMESTAMP(3)       NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "reward_redemptions_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "reward_redemptions_loyaltyId_idx" ON "reward_redemptions" ("loyaltyId");
CREATE INDEX "reward_redemptions_rewardId_idx" ON "reward_redemptions" ("rewardId");
CREATE INDEX "reward_redemptions_orderId_idx" ON "reward_redemptions" ("orderId");

-- Who brought whom; the invited one has no account at first.
CREATE TABLE "referrals" (
    "id"           TEXT             NOT NULL,
    "referrerId"   TEXT             NOT NULL,
    "refereeId"    TEXT,
    "email"        TEXT             NOT NULL,
    "code"         TEXT             NOT NULL,
    "status"       "ReferralStatus" NOT NULL DEFAULT 'INVITED',
    "rewardPoints" INTEGER          NOT NULL DEFAULT 0,
    "registeredAt" TIMESTAMP(3),
    "createdAt"    TIMESTAMP(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"    TIMESTAMP(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "referrals_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "referrals_referrerId_email_key" ON "referrals" ("referrerId", "email");
CREATE INDEX "referrals_refereeId_idx" ON "referrals" ("refereeId");

-- Deals

-- A promotion with a time window.
CREATE TABLE "deals" (
    "id"              TEXT         NOT NULL,
    "name"            TEXT         NOT NULL,
    "slug"            TEXT         NOT NULL,
    "type"            "DealType"   NOT NULL DEFAULT 'FLASH_SALE',
    "discountPercent" DECIMAL(5,2) NOT NULL DEFAULT 0,
    "startsAt"        TIMESTAMP(3) NOT NULL,
    "endsAt"          TIMESTAMP(3) NOT NULL,
    "isActive"        BOOLEAN      NOT NULL DEFAULT false,
    "maxPurchases"    INTEGER,
    "purchaseCount"   INTEGER      NOT NULL DEFAULT 0,
    "createdAt"       TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"       TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deals_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "deals_window_check" CHECK ("endsAt" > "startsAt")
);
CREATE UNIQUE INDEX "deals_slug_key" ON "deals" ("slug");

-- A product's price within a deal.
CREATE TABLE "deal_products" (
    "id"         TEXT          NOT NULL,
    "dealId"     TEXT          NOT NULL,
    "productId"  TEXT          NOT NULL,
    "dealPrice"  DECIMAL(12,2) NOT NULL DEFAULT 0,
    "stockLimit" INTEGER,
    "soldCount"  INTEGER       NOT NULL DEFAULT 0,
    "createdAt"  TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deal_products_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "deal_products_dealId_productId_key" ON "deal_products" ("dealId", "productId");
CREATE INDEX "deal_products_productId_idx" ON "deal_products" ("productId");

-- Keeps the deal: what was sold at which price must stay explainable.
CREATE TABLE "deal_purchases" (
    "id"        TEXT          NOT NULL,
    "dealId"    TEXT          NOT NULL,
    "productId" TEXT          NOT NULL,
    "userId"    TEXT,
    "orderId"   TEXT,
    "quantity"  INTEGER       NOT NULL DEFAULT 1,
    "pricePaid" DECIMAL(12,2) NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deal_purchases_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "deal_purchases_dealId_idx" ON "deal_purchases" ("dealId");
CREATE INDEX "deal_purchases_productId_idx" ON "deal_purchases" ("productId");
CREATE INDEX "deal_purchases_userId_idx" ON "deal_purchases" ("userId");
CREATE INDEX "deal_purchases_orderId_idx" ON "deal_purchases" ("orderId");

-- Who asked to be told when a deal starts.
CREATE TABLE "deal_notifications" (
    "id"        TEXT                     NOT NULL,
    "dealId"    TEXT                     NOT NULL,
    "userId"    TEXT                     NOT NULL,
    "status"    "DealNotificationStatus" NOT NULL DEFAULT 'PENDING',
    "sentAt"    TIMESTAMP(3),
    "createdAt" TIMESTAMP(3)             NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deal_notifications_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "deal_notifications_dealId_userId_key"
    ON "deal_notifications" ("dealId", "userId");
CREATE INDEX "deal_notifications_userId_idx" ON "deal_notifications" ("userId");

-- Gift cards and store credit

-- Money owed to the holder: buyer and recipient may go, the card stays.
CREATE TABLE "gift_cards" (
    "id"             TEXT             NOT NULL,
    "code"           TEXT             NOT NULL,
    "purchaserId"    TEXT,
    "recipientId"    TEXT,
    "recipientEmail" TEXT,
    "status"         "GiftCardStatus" NOT NULL DEFAULT 'ACTIVE',
    "initialAmount"  DECIMAL(12,2)    NOT NULL DEFAULT 0,
    "balance"        DECIMAL(12,2)    NOT NULL DEFAULT 0,
    "currency"       TEXT             NOT NULL DEFAULT 'USD',
    "message"        TEXT,
    "expiresAt"      TIMESTAMP(3),
    "createdAt"      TIMESTAMP(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3)     NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "gift_cards_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "gift_cards_balance_check" CHECK ("balance" >= 0 AND "balance" <= "initialAmount")
);
CREATE UNIQUE INDEX "gift_cards_code_key" ON "gift_cards" ("code");
CREATE INDEX "gift_cards_purchaserId_idx" ON "gift_cards" ("purchaserId");
CREATE INDEX "gift_cards_recipientId_idx" ON "gift_cards" ("recipientId");

-- Ledger: a card with transactions cannot be deleted.
CREATE TABLE "gift_card_transactions" (
    "id"           TEXT                      NOT NULL,
    "giftCardId"   TEXT                      NOT NULL,
    "orderId"      TEXT,
    "type"         "GiftCardTransactionType" NOT NULL DEFAULT 'REDEEM',
    "amount"       DECIMAL(12,2)             NOT NULL DEFAULT 0,
    "balanceAfter" DECIMAL(12,2)             NOT NULL DEFAULT 0,
    "createdAt"    TIMESTAMP(3)              NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "gift_card_transactions_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "gift_card_transactions_giftCardId_idx" ON "gift_card_transactions" ("giftCardId");
CREATE INDEX "gift_card_transactions_orderId_idx" ON "gift_card_transactions" ("orderId");

-- One balance a customer; an account that is owed money cannot be deleted.
CREATE TABLE "store_credits" (
    "id"        TEXT          NOT NULL,
    "userId"    TEXT          NOT NULL,
    "balance"   DECIMAL(12,2) NOT NULL DEFAULT 0,
    "currency"  TEXT          NOT NULL DEFAULT 'USD',
    "createdAt" TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "store_credits_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "store_credits_balance_check" CHECK ("balance" >= 0)
);
CREATE UNIQUE INDEX "store_credits_userId_key" ON "store_credits" ("userId");

-- Ledger of the balance above.
CREATE TABLE "store_credit_transactions" (
    "id"            TEXT                         NOT NULL,
    "storeCreditId" TEXT                         NOT NULL,
    "orderId"       TEXT,
    "type"          "StoreCreditTransactionType" NOT NULL DEFAULT 'CREDIT',
    "amount"        DECIMAL(12,2)                NOT NULL DEFAULT 0,
    "balanceAfter"  DECIMAL(12,2)                NOT NULL DEFAULT 0,
    "reason"        TEXT,
    "createdAt"     TIMESTAMP(3)                 NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "store_credit_transactions_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "store_credit_transactions_storeCreditId_idx"
    ON "store_credit_transactions" ("storeCreditId");
CREATE INDEX "store_credit_transactions_orderId_idx" ON "store_credit_transactions" ("orderId");

-- Analytics: one row a day (or period) and subject, written by the nightly jobs

-- Vendor performance.
CREATE TABLE "vendor_analytics" (
    "id"            TEXT          NOT NULL,
    "vendorId"      TEXT          NOT NULL,
    "date"          DATE          NOT NULL,
    "orders"        INTEGER       NOT NULL DEFAULT 0,
    "unitsSold"     INTEGER       NOT NULL DEFAULT 0,
    "revenue"       DECIMAL(12,2) NOT NULL DEFAULT 0,
    "commission"    DECIMAL(12,2) NOT NULL DEFAULT 0,
    "returns"       INTEGER       NOT NULL DEFAULT 0,
    "averageRating" DECIMAL(5,2)  NOT NULL DEFAULT 0,
    "createdAt"     TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"     TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "vendor_analytics_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "vendor_analytics_vendorId_date_key" ON "vendor_analytics" ("vendorId", "date");

-- Product metrics.
CREATE TABLE "product_analytics" (
    "id"             TEXT          NOT NULL,
    "productId"      TEXT          NOT NULL,
    "date"           DATE          NOT NULL,
    "views"          INTEGER       NOT NULL DEFAULT 0,
    "addToCarts"     INTEGER       NOT NULL DEFAULT 0,
    "purchases"      INTEGER       NOT NULL DEFAULT 0,
    "revenue"        DECIMAL(12,2) NOT NULL DEFAULT 0,
    "conversionRate" DECIMAL(5,2)  NOT NULL DEFAULT 0,
    "createdAt"      TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"      TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "product_analytics_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "product_analytics_productId_date_key"
    ON "product_analytics" ("productId", "date");

-- Category performance.
CREATE TABLE "category_analytics" (
    "id"         TEXT          NOT NULL,
    "categoryId" TEXT          NOT NULL,
    "date"       DATE          NOT NULL,
    "views"      INTEGER       NOT NULL DEFAULT 0,
    "orders"     INTEGER       NOT NULL DEFAULT 0,
    "revenue"    DECIMAL(12,2) NOT NULL DEFAULT 0,
    "createdAt"  TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"  TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "category_analytics_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "category_analytics_categoryId_date_key"
    ON "category_analytics" ("categoryId", "date");

-- Revenue of the whole marketplace.
CREATE TABLE "revenue_analytics" (
    "id"                TEXT              NOT NULL,
    "period"            "AnalyticsPeriod" NOT NULL DEFAULT 'DAY',
    "date"              DATE              NOT NULL,
    "currency"          TEXT              NOT NULL DEFAULT 'USD',
    "grossRevenue"      DECIMAL(12,2)     NOT NULL DEFAULT 0,
    "refunds"           DECIMAL(12,2)     NOT NULL DEFAULT 0,
    "netRevenue"        DECIMAL(12,2)     NOT NULL DEFAULT 0,
    "orders"            INTEGER           NOT NULL DEFAULT 0,
    "averageOrderValue" DECIMAL(12,2)     NOT NULL DEFAULT 0,
    "createdAt"         TIMESTAMP(3)      NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"         TIMESTAMP(3)      NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "revenue_analytics_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "revenue_analytics_date_period_currency_key"
    ON "revenue_analytics" ("date", "period", "currency");

-- Visits by source and device.
CREATE TABLE "traffic_analytics" (
    "id"                TEXT         NOT NULL,
    "date"              DATE         NOT NULL,
    "source"            TEXT         NOT NULL,
    "device"            TEXT         NOT NULL DEFAULT 'desktop',
    "sessions"          INTEGER      NOT NULL DEFAULT 0,
    "visitors"          INTEGER      NOT NULL DEFAULT 0,
    "pageViews"         INTEGER      NOT NULL DEFAULT 0,
    "bounces"           INTEGER      NOT NULL DEFAULT 0,
    "averageDurationMs" INTEGER      NOT NULL DEFAULT 0,
    "createdAt"         TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"         TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "traffic_analytics_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "traffic_analytics_date_source_device_key"
    ON "traffic_analytics" ("date", "source", "device");

-- Foreign keys, last: the locks that they take on the referenced tables are held the shortest.

ALTER TABLE "ad_campaigns" ADD CONSTRAINT "ad_campaigns_vendorId_fkey"
    FOREIGN KEY ("vendorId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "advertisements" ADD CONSTRAINT "advertisements_campaignId_fkey"
    FOREIGN KEY ("campaignId") REFERENCES "ad_campaigns" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "advertisements" ADD CONSTRAINT "advertisements_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "ad_keywords" ADD CONSTRAINT "ad_keywords_campaignId_fkey"
    FOREIGN KEY ("campaignId") REFERENCES "ad_campaigns" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "ad_impressions" ADD CONSTRAINT "ad_impressions_adId_fkey"
    FOREIGN KEY ("adId") REFERENCES "advertisements" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "ad_impressions" ADD CONSTRAINT "ad_impressions_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "ad_clicks" ADD CONSTRAINT "ad_clicks_adId_fkey"
    FOREIGN KEY ("adId") REFERENCES "advertisements" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "ad_clicks" ADD CONSTRAINT "ad_clicks_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "ad_clicks" ADD CONSTRAINT "ad_clicks_impressionId_fkey"
    FOREIGN KEY ("impressionId") REFERENCES "ad_impressions" ("id")
    ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "subscriptions" ADD CONSTRAINT "subscriptions_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "subscriptions" ADD CONSTRAINT "subscriptions_planId_fkey"
    FOREIGN KEY ("planId") REFERENCES "subscription_plans" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "subscription_invoices" ADD CONSTRAINT "subscription_invoices_subscriptionId_fkey"
    FOREIGN KEY ("subscriptionId") REFERENCES "subscriptions" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "bnpl_payment_plans" ADD CONSTRAINT "bnpl_payment_plans_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES "orders" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "bnpl_payment_plans" ADD CONSTRAINT "bnpl_payment_plans_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "bnpl_installments" ADD CONSTRAINT "bnpl_installments_planId_fkey"
    FOREIGN KEY ("planId") REFERENCES "bnpl_payment_plans" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "product_recommendations" ADD CONSTRAINT "product_recommendations_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "product_recommendations" ADD CONSTRAINT "product_recommendations_recommendedId_fkey"
    FOREIGN KEY ("recommendedId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "user_recommendations" ADD CONSTRAINT "user_recommendations_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "user_recommendations" ADD CONSTRAINT "user_recommendations_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "user_behaviors" ADD CONSTRAINT "user_behaviors_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "user_behaviors" ADD CONSTRAINT "user_behaviors_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "user_preferences" ADD CONSTRAINT "user_preferences_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "search_queries" ADD CONSTRAINT "search_queries_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "search_queries" ADD CONSTRAINT "search_queries_clickedProductId_fkey"
    FOREIGN KEY ("clickedProductId") REFERENCES "products" ("id")
    ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "saved_searches" ADD CONSTRAINT "saved_searches_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "product_views" ADD CONSTRAINT "product_views_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "product_views" ADD CONSTRAINT "product_views_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "dashboards" ADD CONSTRAINT "dashboards_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "dashboard_widgets" ADD CONSTRAINT "dashboard_widgets_dashboardId_fkey"
    FOREIGN KEY ("dashboardId") REFERENCES "dashboards" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "analytics_reports" ADD CONSTRAINT "analytics_reports_requestedById_fkey"
    FOREIGN KEY ("requestedById") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "translations" ADD CONSTRAINT "translations_languageId_fkey"
    FOREIGN KEY ("languageId") REFERENCES "languages" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "product_translations" ADD CONSTRAINT "product_translations_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "product_translations" ADD CONSTRAINT "product_translations_languageId_fkey"
    FOREIGN KEY ("languageId") REFERENCES "languages" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "category_translations" ADD CONSTRAINT "category_translations_categoryId_fkey"
    FOREIGN KEY ("categoryId") REFERENCES "categories" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "category_translations" ADD CONSTRAINT "category_translations_languageId_fkey"
    FOREIGN KEY ("languageId") REFERENCES "languages" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "customer_loyalty" ADD CONSTRAINT "customer_loyalty_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "customer_loyalty" ADD CONSTRAINT "customer_loyalty_tierId_fkey"
    FOREIGN KEY ("tierId") REFERENCES "loyalty_tiers" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "point_transactions" ADD CONSTRAINT "point_transactions_loyaltyId_fkey"
    FOREIGN KEY ("loyaltyId") REFERENCES "customer_loyalty" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "point_transactions" ADD CONSTRAINT "point_transactions_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES "orders" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "reward_redemptions" ADD CONSTRAINT "reward_redemptions_loyaltyId_fkey"
    FOREIGN KEY ("loyaltyId") REFERENCES "customer_loyalty" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "reward_redemptions" ADD CONSTRAINT "reward_redemptions_rewardId_fkey"
    FOREIGN KEY ("rewardId") REFERENCES "rewards" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "reward_redemptions" ADD CONSTRAINT "reward_redemptions_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES "orders" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "referrals" ADD CONSTRAINT "referrals_referrerId_fkey"
    FOREIGN KEY ("referrerId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "referrals" ADD CONSTRAINT "referrals_refereeId_fkey"
    FOREIGN KEY ("refereeId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "deal_products" ADD CONSTRAINT "deal_products_dealId_fkey"
    FOREIGN KEY ("dealId") REFERENCES "deals" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "deal_products" ADD CONSTRAINT "deal_products_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "deal_purchases" ADD CONSTRAINT "deal_purchases_dealId_fkey"
    FOREIGN KEY ("dealId") REFERENCES "deals" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "deal_purchases" ADD CONSTRAINT "deal_purchases_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "deal_purchases" ADD CONSTRAINT "deal_purchases_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "deal_purchases" ADD CONSTRAINT "deal_purchases_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES "orders" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "deal_notifications" ADD CONSTRAINT "deal_notifications_dealId_fkey"
    FOREIGN KEY ("dealId") REFERENCES "deals" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "deal_notifications" ADD CONSTRAINT "deal_notifications_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "gift_cards" ADD CONSTRAINT "gift_cards_purchaserId_fkey"
    FOREIGN KEY ("purchaserId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "gift_cards" ADD CONSTRAINT "gift_cards_recipientId_fkey"
    FOREIGN KEY ("recipientId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "gift_card_transactions" ADD CONSTRAINT "gift_card_transactions_giftCardId_fkey"
    FOREIGN KEY ("giftCardId") REFERENCES "gift_cards" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "gift_card_transactions" ADD CONSTRAINT "gift_card_transactions_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES "orders" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "store_credits" ADD CONSTRAINT "store_credits_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "store_credit_transactions"
    ADD CONSTRAINT "store_credit_transactions_storeCreditId_fkey"
    FOREIGN KEY ("storeCreditId") REFERENCES "store_credits" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "store_credit_transactions" ADD CONSTRAINT "store_credit_transactions_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES "orders" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "vendor_analytics" ADD CONSTRAINT "vendor_analytics_vendorId_fkey"
    FOREIGN KEY ("vendorId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "product_analytics" ADD CONSTRAINT "product_analytics_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "category_analytics" ADD CONSTRAINT "category_analytics_categoryId_fkey"
    FOREIGN KEY ("categoryId") REFERENCES "categories" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
