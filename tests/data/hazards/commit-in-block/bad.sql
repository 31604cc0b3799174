DO $$
BEGIN
    CREATE TABLE fresh (id int);
    COMMIT;
END
$$;
