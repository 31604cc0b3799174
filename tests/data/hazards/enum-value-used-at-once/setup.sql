CREATE TYPE mood AS ENUM ('good');
CREATE TABLE t (m mood);
INSERT INTO t VALUES ('good');
