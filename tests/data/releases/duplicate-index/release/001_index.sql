CREATE TABLE notes (id int PRIMARY KEY, user_id int);
CREATE INDEX orders_user ON notes (user_id);
