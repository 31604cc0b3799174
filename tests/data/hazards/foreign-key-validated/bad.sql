-- also: foreign-key-unindexed
ALTER TABLE t ADD CONSTRAINT t_u FOREIGN KEY (n) REFERENCES u (id);
