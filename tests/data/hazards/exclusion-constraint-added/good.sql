CREATE TABLE fresh (n int, EXCLUDE USING btree (n WITH =));
