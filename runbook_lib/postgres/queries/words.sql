-- Every longer name of the schema and word of SQL: a secret equal to one cannot be hidden wherever it stands.
SELECT word FROM (
    SELECT word FROM pg_get_keywords()
    UNION SELECT nspname FROM pg_namespace
    UNION SELECT rolname FROM pg_roles
    UNION SELECT datname FROM pg_database
    UNION SELECT c.relname FROM pg_class c WHERE c.relnamespace::regnamespace::text !~ '^pg_|^information_schema$'
    UNION SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
          WHERE a.attnum > 0 AND c.relnamespace::regnamespace::text !~ '^pg_|^information_schema$'
    UNION SELECT t.typname FROM pg_type t WHERE t.typnamespace::regnamespace::text !~ '^pg_|^information_schema$'
    UNION SELECT p.proname FROM pg_proc p WHERE p.pronamespace::regnamespace::text !~ '^pg_|^information_schema$'
) AS words (word)
WHERE length(word) > 5
