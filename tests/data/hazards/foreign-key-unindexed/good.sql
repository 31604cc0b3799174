CREATE TABLE child (id int PRIMARY KEY, t_id int REFERENCES t);
CREATE INDEX child_t ON child (t_id);
