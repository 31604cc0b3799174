BEGIN;
CREATE INDEX CONCURRENTLY orders_state ON orders (state);
COMMIT;
ALTER TABLE nowhere ADD COLUMN a int;
