-- Migration 1 of the brief: Password Reset Table.
-- The initial schema (accounts, catalogue, orders) and the tokens of password recovery.

-- Enums

CREATE TYPE "UserRole" AS ENUM ('CUSTOMER', 'VENDOR', 'ADMIN');
CREATE TYPE "OrderStatus" AS ENUM (
    'PENDING', 'PROCESSING', 'SHIPPED', 'DELIVERED', 'CANCELLED', 'REFUNDED'
);

-- Accounts

-- One row an account; a vendor is a user with the role VENDOR.
CREATE TABLE "users" (
    "id"              TEXT         NOT NULL,
    "email"           TEXT         NOT NULL,
    "passwordHash"    TEXT         NOT NULL,
    "name"            TEXT,
    "phone"           TEXT,
    "role"            "UserRole"   NOT NULL DEFAULT 'CUSTOMER',
    "isActive"        BOOLEAN      NOT NULL DEFAULT true,
    "emailVerifiedAt" TIMESTAMP(3),
    "lastLoginAt"     TIMESTAMP(3),
    "createdAt"       TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"       TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "users_email_key" ON "users" ("email");

-- Only the hash of a token is stored, so a leaked backup opens no account.
CREATE TABLE "password_resets" (
    "id"          TEXT         NOT NULL,
    "userId"      TEXT         NOT NULL,
    "tokenHash"   TEXT         NOT NULL,
    "requestedIp" TEXT,
    "expiresAt"   TIMESTAMP(3) NOT NULL,
    "usedAt"      TIMESTAMP(3),
    "createdAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "password_resets_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "password_resets_tokenHash_key" ON "password_resets" ("tokenHash");
CREATE INDEX "password_resets_userId_idx" ON "password_resets" ("userId");

-- Catalogue

-- A tree: a category whose parent is deleted becomes a root.
CREATE TABLE "categories" (
    "id"          TEXT         NOT NULL,
    "parentId"    TEXT,
    "name"        TEXT         NOT NULL,
    "slug"        TEXT         NOT NULL,
    "description" TEXT,
    "position"    INTEGER      NOT NULL DEFAULT 0,
    "isActive"    BOOLEAN      NOT NULL DEFAULT true,
    "createdAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "categories_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "categories_slug_key" ON "categories" ("slug");

-- vendorId is null for what the marketplace sells itself.
CREATE TABLE "products" (
    "id"                TEXT          NOT NULL,
    "vendorId"          TEXT,
    "categoryId"        TEXT,
    "name"              TEXT          NOT NULL,
    "slug"              TEXT          NOT NULL,
    "sku"               TEXT          NOT NULL,
    "description"       TEXT,
    "status"            TEXT          NOT NULL DEFAULT 'DRAFT',
    "price"             DECIMAL(12,2) NOT NULL DEFAULT 0,
    "compareAtPrice"    DECIMAL(12,2),
    "currency"          TEXT          NOT NULL DEFAULT 'USD',
    "stock"             INTEGER       NOT NULL DEFAULT 0,
    "lowStockThreshold" INTEGER       NOT NULL DEFAULT 5,
    "tags"              TEXT[]        NOT NULL DEFAULT ARRAY[]::TEXT[],
    "images"            TEXT[]        NOT NULL DEFAULT ARRAY[]::TEXT[],
    "averageRating"     DECIMAL(5,2)  NOT NULL DEFAULT 0,
    "reviewCount"       INTEGER       NOT NULL DEFAULT 0,
    "isActive"          BOOLEAN       NOT NULL DEFAULT true,
    "createdAt"         TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"         TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "products_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "products_price_check" CHECK ("price" >= 0),
    CONSTRAINT "products_status_check" CHECK ("status" IN ('DRAFT', 'ACTIVE', 'ARCHIVED'))
);
CREATE UNIQUE INDEX "products_slug_key" ON "products" ("slug");

-- Orders

-- A guest order has no user but an e-mail; an order outlives its account for the books.
CREATE TABLE "orders" (
    "id"              TEXT          NOT NULL,
    "userId"          TEXT,
    "guestEmail"      TEXT,
    "orderNumber"     TEXT          NOT NULL,
    "status"          "OrderStatus" NOT NULL DEFAULT 'PENDING',
    "subtotal"        DECIMAL(12,2) NOT NULL DEFAULT 0,
    "taxAmount"       DECIMAL(12,2) NOT NULL DEFAULT 0,
    "shippingAmount"  DECIMAL(12,2) NOT NULL DEFAULT 0,
    "discountAmount"  DECIMAL(12,2) NOT NULL DEFAULT 0,
    "total"           DECIMAL(12,2) NOT NULL DEFAULT 0,
    "currency"        TEXT          NOT NULL DEFAULT 'USD',
    "paymentMethod"   TEXT,
    "shippingAddress" JSONB,
    "trackingNumber"  TEXT,
    "carrier"         TEXT,
    "shippedAt"       TIMESTAMP(3),
    "deliveredAt"     TIMESTAMP(3),
    "createdAt"       TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"       TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "orders_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "orders_total_check" CHECK ("total" >= 0)
);
CREATE UNIQUE INDEX "orders_orderNumber_key" ON "orders" ("orderNumber");

-- Name, SKU and price are copied: a later change of the product must not change the order.
CREATE TABLE "order_items" (
    "id"          TEXT          NOT NULL,
    "orderId"     TEXT          NOT NULL,
    "productId"   TEXT          NOT NULL,
    "vendorId"    TEXT,
    "productName" TEXT          NOT NULL,
    "sku"         TEXT          NOT NULL,
    "quantity"    INTEGER       NOT NULL DEFAULT 1,
    "unitPrice"   DECIMAL(12,2) NOT NULL DEFAULT 0,
    "total"       DECIMAL(12,2) NOT NULL DEFAULT 0,
    "createdAt"   TIMESTAMP(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "order_items_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "order_items_quantity_check" CHECK ("quantity" > 0)
);
CREATE INDEX "order_items_orderId_idx" ON "order_items" ("orderId");

-- Reviews and wishes

-- One review a customer and product.
CREATE TABLE "reviews" (
    "id"                 TEXT         NOT NULL,
    "userId"             TEXT         NOT NULL,
    "productId"          TEXT         NOT NULL,
    "rating"             INTEGER      NOT NULL,
    "title"              TEXT,
    "body"               TEXT,
    "isVerifiedPurchase" BOOLEAN      NOT NULL DEFAULT false,
    "isApproved"         BOOLEAN      NOT NULL DEFAULT false,
    "helpfulCount"       INTEGER      NOT NULL DEFAULT 0,
    "createdAt"          TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"          TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "reviews_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "reviews_rating_check" CHECK ("rating" BETWEEN 1 AND 5)
);
CREATE UNIQUE INDEX "reviews_userId_productId_key" ON "reviews" ("userId", "productId");

-- One row a customer and product.
CREATE TABLE "wishlist" (
    "id"        TEXT         NOT NULL,
    "userId"    TEXT         NOT NULL,
    "productId" TEXT         NOT NULL,
    "note"      TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "wishlist_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "wishlist_userId_productId_key" ON "wishlist" ("userId", "productId");
CREATE INDEX "wishlist_productId_idx" ON "wishlist" ("productId");

-- Foreign keys, last: the locks that they take on the referenced tables are held the shortest.

ALTER TABLE "password_resets" ADD CONSTRAINT "password_resets_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "categories" ADD CONSTRAINT "categories_parentId_fkey"
    FOREIGN KEY ("parentId") REFERENCES "categories" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "products" ADD CONSTRAINT "products_vendorId_fkey"
    FOREIGN KEY ("vendorId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "products" ADD CONSTRAINT "products_categoryId_fkey"
    FOREIGN KEY ("categoryId") REFERENCES "categories" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "orders" ADD CONSTRAINT "orders_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "order_items" ADD CONSTRAINT "order_items_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES "orders" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "order_items" ADD CONSTRAINT "order_items_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "order_items" ADD CONSTRAINT "order_items_vendorId_fkey"
    FOREIGN KEY ("vendorId") REFERENCES "users" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "reviews" ADD CONSTRAINT "reviews_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "reviews" ADD CONSTRAINT "reviews_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "wishlist" ADD CONSTRAINT "wishlist_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "users" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "wishlist" ADD CONSTRAINT "wishlist_productId_fkey"
    FOREIGN KEY ("productId") REFERENCES "products" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
