-- The databases whose name is a given beginning and a time stamp.
SELECT datname
FROM pg_database
WHERE starts_with(datname, %(begin)s) AND substr(datname, length(%(begin)s) + 1) ~ ('^' || %(stamp)s || '$')
