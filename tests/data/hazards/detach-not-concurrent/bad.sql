-- also: many-exclusive-locks
ALTER TABLE p DETACH PARTITION p1;
