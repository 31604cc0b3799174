-- Whether an index is attached to one of a partitioned table (PostgreSQL manual, 51.26).
SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = %(child)s AND inhparent = %(parent)s)
