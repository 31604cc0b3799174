-- The brief's connection test: does the server answer a query at all?
-- name: connection_test
-- severity: error
-- expect: = 1
-- remedy: Check that the server runs and that the target of the run is the right one.
SELECT 1
