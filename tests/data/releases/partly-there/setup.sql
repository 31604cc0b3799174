CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, nick varchar(20));
CREATE TABLE orders (id int PRIMARY KEY, user_id int, total numeric(10, 2), state text NOT NULL);
CREATE INDEX orders_user ON orders (user_id);
INSERT INTO users SELECT n, 'user' || n % 90 || '@shop.test', 'nick' || n FROM generate_series(1, 100) n;
INSERT INTO orders SELECT n, n % 120, n, CASE WHEN n % 10 = 0 THEN 'odd' ELSE 'paid' END FROM generate_series(1, 300) n;
CREATE TABLE notes (id int PRIMARY KEY);
