DO $$
BEGIN
    CREATE TABLE fresh (id int);
END
$$;
