CREATE FUNCTION tidy() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'DROP TABLE orders';
END
$$;

SELECT tidy();
