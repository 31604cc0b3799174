CREATE TABLE child (id int PRIMARY KEY, t_id int REFERENCES t);
