ALTER TABLE users ALTER COLUMN nick TYPE varchar(4);
