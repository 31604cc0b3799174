ALTER TABLE t ADD COLUMN data json;
CREATE TABLE fresh (data json);
