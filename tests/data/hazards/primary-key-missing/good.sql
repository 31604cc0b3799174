CREATE TABLE fresh (id int, n int);
ALTER TABLE fresh ADD PRIMARY KEY (id);
