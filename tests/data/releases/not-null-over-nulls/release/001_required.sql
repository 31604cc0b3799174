UPDATE orders SET user_id = NULL WHERE id = 7;
ALTER TABLE orders ALTER COLUMN user_id SET NOT NULL;
