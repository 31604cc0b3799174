CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (nothing));
CREATE INDEX items_order ON items (order_id);
INSERT INTO items VALUES (1, 1);
CREATE TABLE fine (id int PRIMARY KEY);
