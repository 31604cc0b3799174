-- unwatched: it waits for others between two transactions, where it holds no lock
ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;
