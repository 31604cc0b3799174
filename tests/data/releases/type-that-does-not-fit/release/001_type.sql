ALTER TABLE orders ALTER COLUMN state TYPE int USING state::int;
