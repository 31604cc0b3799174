ALTER TABLE t ADD COLUMN number bigserial;
