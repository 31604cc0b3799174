ALTER TABLE t ADD COLUMN code uuid DEFAULT gen_random_uuid();
