CREATE TABLE p (id int, n int, name text) PARTITION BY RANGE (id);
CREATE TABLE t (id int, n int, name text);
INSERT INTO t SELECT n, n, 'x' || n FROM generate_series(1, 50) n;
