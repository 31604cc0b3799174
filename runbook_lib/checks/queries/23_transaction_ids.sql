-- Near wraparound the server warns, then refuses every write.
-- name: transaction ids
-- severity: warning
-- expect: no rows
-- remedy: Find what holds back vacuum (old transactions, slots), then VACUUM (FREEZE) the
--     oldest tables.
-- seen: SELECT greatest(age(datfrozenxid), mxid_age(datminmxid)) || ' since the oldest, limit ' ||
--     %(transaction_ids)s FROM pg_catalog.pg_database WHERE datname = current_database()
SELECT greatest(age(datfrozenxid), mxid_age(datminmxid)) || ' since the oldest' AS ids
FROM pg_catalog.pg_database
WHERE datname = current_database()
  AND greatest(age(datfrozenxid), mxid_age(datminmxid)) > %(transaction_ids)s
