CREATE TABLE notes (id int PRIMARY KEY);

ALTER TABLE customers
    ADD COLUMN note text;
