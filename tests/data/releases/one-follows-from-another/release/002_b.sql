ALTER TABLE items ADD COLUMN note text;
CREATE VIEW item_notes AS SELECT note FROM items;
COMMENT ON VIEW item_notes IS 'follows too';
