"""Compare a backup with the brief's pg_dump, and its restore: python -m benchmarks.backup.

Three million rows, a third of them with varied text. Both are done in turns, so that what else the
machine does meets both alike.
"""

import functools
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.servers import psql, ratios, server, shown, timed
from runbook_lib.backup.archive import restore
from runbook_lib.backup.dump import take_backup
from runbook_lib.config.environments import Environment
from runbook_lib.config.policies import Policy
from runbook_lib.evidence.records import Backup
from runbook_lib.postgres import catalog, process, tools
from runbook_lib.postgres.connection import Database
from runbook_lib.release.plan import Target
from tests.support.servers import scratch_database

ROUNDS = 3
POLICY = Policy()
ROWS = """
CREATE TABLE accounts AS
SELECT n AS id, 1 + n % 30 AS branch_id, n::bigint * 7919 % 100000 AS balance,
       ''::char(84) AS filler
FROM generate_series(1, 2000000) n;
CREATE TABLE reviews AS
SELECT n AS id, 1 + n % 30000 AS user_id, md5(n::text) AS token,
       timestamptz '2026-01-01' + n * interval '7 s' AS created_at,
       (SELECT string_agg(words[1 + (hashint8(n * 31 + place) & 2147483647) % 30], ' ')
        FROM generate_series(1, 5 + n % 20) place) AS body
FROM generate_series(1, 1000000) n,
     string_to_array('the order arrived late and a product is good price quality support never '
       'answered would buy again colour size fits broken refund delivery fast recommend gift box '
       'missing screen battery', ' ') words;
ALTER TABLE accounts ADD PRIMARY KEY (id);
ALTER TABLE reviews ADD PRIMARY KEY (id);
CREATE INDEX reviews_user ON reviews (user_id);
VACUUM ANALYZE
"""


def main() -> None:
    """Print the times of each round, and the ratios of time and size."""
    brief, own, back, again = (list[float]() for _ in range(4))
    sizes, peers = list[float](), list[float]()
    with (
        server() as maintenance,
        tempfile.TemporaryDirectory() as directory,
        scratch_database(maintenance, "bench_backup") as shop,
    ):
        psql(shop, *(word for line in ROWS.split(";\n") for word in ("-c", line)))
        target, file = _identify(shop), Path(directory) / "brief.dump"
        for _ in range(ROUNDS):
            brief.append(timed(functools.partial(_brief, shop, target, file)))
            made = take_backup(shop, target, Path(directory), process.run, POLICY, str)
            own.append(made.seconds)
            sizes.append(made.size)
            peers.append(file.stat().st_size)
            back.append(_into_empty(maintenance, target, file))
            again.append(_into_empty(maintenance, target, made))
            file.unlink()
    lines = [
        shown("pg_dump of the brief", brief),
        shown("the whole backup", own),
        ratios(own, brief),
        f"{'bytes':<24} {median(sizes):,.0f} beside {median(peers):,.0f}",
        ratios(sizes, peers),
        shown("pg_restore", back),
        shown("the restore", again),
        ratios(again, back),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _identify(shop: Database) -> Target:
    with shop.connect() as connection:
        environment = Environment("bench", shop.dbname, embedded=True, policy=POLICY)
        return catalog.identify(connection, environment)


def _brief(shop: Database, target: Target, file: Path) -> None:
    program = tools.find_program("pg_dump", server_major=target.major)
    argv = tools.dump_argv(program, shop.conninfo(), file, form="custom", compress="9")
    process.run(argv)


def _into_empty(maintenance: Database, target: Target, archive: Path | Backup) -> float:
    """Restore into an empty database and return the seconds it took."""
    with scratch_database(maintenance, "bench_restored") as empty:
        begin = perf_counter()
        if isinstance(archive, Backup):
            restore(empty, target.major, archive.archive, process.run, with_owners=True)
        else:
            program = tools.find_program("pg_restore", server_major=target.major)
            process.run([program, f"--dbname={empty.conninfo()}", archive])
        return perf_counter() - begin


if __name__ == "__main__":
    main()
