ALTER TABLE t ADD COLUMN at timestamptz DEFAULT now();
