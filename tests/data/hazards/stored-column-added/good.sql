CREATE VIEW doubled AS SELECT n * 2 AS twice FROM t;
