CREATE TABLE archive (LIKE orders);
WITH gone AS (
    DELETE FROM orders WHERE id < 10 RETURNING *
)
INSERT INTO archive SELECT * FROM gone;
