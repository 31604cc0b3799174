-- also: cached-plan-breaks
ALTER TABLE t ALTER COLUMN n TYPE bigint;
