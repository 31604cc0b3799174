CREATE TABLE notes (id int PRIMARY KEY);
DO $$
BEGIN
    IF true THEN
        DROP TABLE orders;
    END IF;
END
$$;
