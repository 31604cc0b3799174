\set ON_ERROR_STOP on
CREATE TABLE a (id int PRIMARY KEY);
\i other.sql
