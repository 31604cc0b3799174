CREATE TABLE notes (id int PRIMARY KEY);
GRANT SELECT ON notes TO nobody_knows_this_role;
