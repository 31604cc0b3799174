-- What makes the database of database.sql a large one: more partitions of three levels, and a long tail of plain tables.
DO $$ DECLARE year int; region text; BEGIN
    FOR year IN 2021..2025 LOOP
        EXECUTE format('CREATE TABLE sales.event_%s PARTITION OF sales.event FOR VALUES FROM (%L) TO (%L) PARTITION BY LIST (region)', year, year || '-01-01', year + 1 || '-01-01');
        FOREACH region IN ARRAY ARRAY['eu', 'us', 'asia'] LOOP
            EXECUTE format('CREATE TABLE sales.event_%s_%s PARTITION OF sales.event_%1$s FOR VALUES IN (%2$L) PARTITION BY HASH (id)', year, region);
            EXECUTE format('CREATE TABLE sales.event_%s_%s_0 PARTITION OF sales.event_%1$s_%2$s FOR VALUES WITH (MODULUS 2, REMAINDER 0)', year, region);
            EXECUTE format('CREATE TABLE sales.event_%s_%s_1 PARTITION OF sales.event_%1$s_%2$s FOR VALUES WITH (MODULUS 2, REMAINDER 1)', year, region);
        END LOOP;
    END LOOP;
END $$;
DO $$ BEGIN
    FOR n IN 1..40 LOOP
        EXECUTE format('CREATE TABLE owned.plain_%s (id serial PRIMARY KEY, a int NOT NULL DEFAULT %1$s, b text)', n);
        EXECUTE format('CREATE INDEX plain_%s_b ON owned.plain_%1$s (b)', n);
        EXECUTE format('INSERT INTO owned.plain_%s (b) SELECT ''row '' || g FROM generate_series(1, %1$s) g', n);
        EXECUTE format('ALTER TABLE owned.plain_%s OWNER TO everything_owner', n);
    END LOOP;
END $$;
INSERT INTO sales.event (id, at, region, note) SELECT g, date '2021-02-01' + g * 40, (ARRAY['eu', 'us', 'asia'])[1 + g % 3], 'y' FROM generate_series(1, 40) g;
