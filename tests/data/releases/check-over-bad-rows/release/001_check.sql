ALTER TABLE orders ADD CONSTRAINT state_known CHECK (state = 'paid');
