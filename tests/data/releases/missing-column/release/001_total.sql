CREATE VIEW totals AS
SELECT user_id,
       sum(amount)
FROM orders
GROUP BY 1;
