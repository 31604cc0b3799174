-- An event trigger runs at every DDL statement of the release and can refuse it.
-- name: event triggers
-- severity: warning
-- expect: no rows
-- remedy: Find out what each does at DDL; ALTER EVENT TRIGGER ... DISABLE where it must not
--     run.
-- seen: SELECT count(*) || ' event triggers, none enabled' FROM pg_catalog.pg_event_trigger
SELECT evtname || ' at ' || evtevent || ' calls ' || evtfoid::regproc AS trigger
FROM pg_catalog.pg_event_trigger
WHERE evtenabled <> 'D'
ORDER BY 1
