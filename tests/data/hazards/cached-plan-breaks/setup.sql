CREATE TABLE t (id int PRIMARY KEY, n int, name varchar(20));
INSERT INTO t SELECT n, n, 'x' || n FROM generate_series(1, 50) n;
