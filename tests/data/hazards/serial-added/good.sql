ALTER TABLE t ADD COLUMN number bigint;
