CREATE TYPE mood AS ENUM ('good');
CREATE TABLE diary (id int PRIMARY KEY, m mood);
INSERT INTO diary VALUES (1, 'good');
