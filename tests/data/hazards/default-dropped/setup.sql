CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 1, m int DEFAULT 1);
INSERT INTO t SELECT n FROM generate_series(1, 50) n;
