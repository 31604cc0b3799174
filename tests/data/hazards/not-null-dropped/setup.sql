CREATE TABLE t (id int NOT NULL, n int, name text);
INSERT INTO t SELECT n, n, 'x' || n FROM generate_series(1, 50) n;
