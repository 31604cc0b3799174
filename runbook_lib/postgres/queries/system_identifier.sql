-- The number initdb gave the cluster: it tells two servers apart (needs EXECUTE or pg_monitor).
SELECT system_identifier::text FROM pg_control_system()
