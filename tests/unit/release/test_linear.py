"""The time to read and judge a release grows with its statements, whatever they are."""

import gc
import time
from pathlib import Path

import pytest

from runbook_lib.checks.review import RULES
from runbook_lib.hazards.data_loss import find_losses
from runbook_lib.hazards.rules import Facts, TableFacts, find_hazards
from runbook_lib.parser.transactions import choose_split, transactions_of
from runbook_lib.release.plan import order, standing
from runbook_lib.release.reader import read_release

FEW, MANY = 500, 2_000
RATIO = 9  # four times as many; quadratic would be 16
KEY = "ALTER TABLE o{0} ADD CONSTRAINT f{0} FOREIGN KEY (a) REFERENCES p{0} (a);"
SHAPES = {
    "inserts": "INSERT INTO o1 VALUES ({0}, 'a; {0}');",
    "indexes": "CREATE INDEX i{0} ON o{0} (a);",
    "concurrent indexes": "CREATE INDEX CONCURRENTLY i{0} ON o{0} (a);",
    "foreign keys": KEY,
    "columns": "ALTER TABLE o{0} ADD COLUMN b int;",
    "tables dropped": "CREATE TABLE t{0} (a int);|DROP TABLE t{0};",
    "blocks": "DO $$ BEGIN UPDATE o1 SET a = {0}; END $$;",
    "errors": "INSRT INTO o1 VALUES ({0});",
    "meta-commands": "\\echo {0}\nSELECT 1;",
    "rows of COPY": "COPY o1 FROM stdin;\n{0}\n\\.",
}


def seconds(directory: Path, shape: str, count: int) -> float:
    """Return the CPU time of everything that a file's statements go through without a server."""
    directory.mkdir(exist_ok=True)
    text = "\n".join(one.format(n) for one in SHAPES[shape].split("|") for n in range(count))
    directory.joinpath("001.sql").write_text(text, encoding="utf-8")
    known = TableFacts(1_000, 10_000, {"a": "integer"}, (("a",),))
    tables = {f"public.{kind}{n}": known for n in range(count) for kind in "op"}
    facts = Facts(17, tables, {})
    begin = time.process_time()
    release = read_release(directory)
    order(release, tables.keys())
    standing(release.migrations)
    (migration,) = release.migrations
    everything = migration.statements
    split = choose_split(everything, tables.keys(), frozenset(), concurrent=True, apart=True)
    transactions_of(everything, split)
    find_hazards(release.migrations, facts, (), RULES, {migration.name: split})
    find_losses(release.migrations, facts, ())
    return time.process_time() - begin


QUICK = {"inserts", "foreign keys", "errors"}


@pytest.mark.parametrize(
    "shape",
    [pytest.param(shape, marks=() if shape in QUICK else pytest.mark.slow) for shape in SHAPES],
)
def test_four_times_as_many_take_about_four_times_as_long(shape: str, tmp_path: Path) -> None:
    few = min(seconds(tmp_path / f"few{n}", shape, FEW) for n in range(2))
    many = min(seconds(tmp_path / f"many{n}", shape, MANY) for n in range(2))
    assert many / few < RATIO


def test_many_small_files_take_as_long_as_there_are(tmp_path: Path) -> None:
    def ordering(count: int) -> float:
        directory = tmp_path / str(count)
        for n in range(count):
            (directory / f"{n:04}_x").mkdir(parents=True)
            sql = "".join(f"CREATE TABLE t{n}_{at} (a int);" for at in range(10))
            (directory / f"{n:04}_x" / "migration.sql").write_text(sql, encoding="utf-8")
        release = read_release(directory)
        gc.disable()  # what it looks through is what the other tests left
        begin = time.process_time()
        for _ in range(3):  # one alone is too short to measure
            order(release)
        took = time.process_time() - begin
        gc.enable()
        return took

    assert ordering(800) / ordering(200) < RATIO
