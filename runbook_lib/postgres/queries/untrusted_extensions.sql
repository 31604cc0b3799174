-- The extensions that only a superuser may make.
SELECT DISTINCT name FROM pg_available_extension_versions WHERE superuser AND NOT trusted
