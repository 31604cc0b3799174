CREATE DOMAIN dom AS int;
CREATE TABLE t (id int PRIMARY KEY, d dom);
INSERT INTO t SELECT n, n FROM generate_series(1, 50) n;
