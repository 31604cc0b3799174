CREATE TABLE fresh (id int, n int);
