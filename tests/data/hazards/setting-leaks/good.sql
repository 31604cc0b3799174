SET LOCAL lock_timeout = '2s';
SET statement_timeout = '1min';
CREATE TABLE fresh (id int);
RESET statement_timeout;
