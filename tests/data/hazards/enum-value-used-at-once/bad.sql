-- sqlstate: 55P04
ALTER TYPE mood ADD VALUE 'sad';
INSERT INTO t VALUES ('sad');
