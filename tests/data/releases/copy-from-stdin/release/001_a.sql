CREATE TABLE a (id int PRIMARY KEY, t text);
COPY a FROM stdin;
1	it's
\.
CREATE TABLE b (id int PRIMARY KEY);
