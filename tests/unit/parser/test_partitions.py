"""An index of a partitioned table is written as builds on its parts, whose names never meet."""

from pathlib import Path

import postgast
import pytest

from runbook_lib.parser.statement import LockMode, Statement
from runbook_lib.parser.transactions import index_name, on_only, on_partition
from tests.support.releases import migration_of

OPTIONS = (
    'USING btree (lower(c) COLLATE "C" text_pattern_ops DESC NULLS LAST, (d + 1)) INCLUDE (e) '
    "NULLS NOT DISTINCT WITH (fillfactor=70) WHERE (d > 0) AND (c <> 'é')"
)


def statement(tmp_path: Path, sql: str) -> Statement:
    return migration_of(tmp_path, sql).statements[0]


def normal(sql: str) -> str:
    return str(postgast.deparse(postgast.parse(sql)))


@pytest.mark.parametrize(
    "how", ["", "CONCURRENTLY ", "IF NOT EXISTS ", "CONCURRENTLY IF NOT EXISTS "]
)
def test_the_parent_is_built_alone_and_holds_no_rows_to_read(tmp_path: Path, how: str) -> None:
    found = on_only(statement(tmp_path, f"CREATE INDEX {how}i ON t (c)"), "s", "t", "i")
    assert found.sql == normal("CREATE INDEX i ON ONLY s.t (c)")
    assert (found.transactional, found.scans) == (True, ())
    assert found.label == "create index i on t"
    assert [lock.mode for lock in found.locks] == [LockMode.SHARE]


def test_a_partition_is_built_concurrently_under_its_own_name(tmp_path: Path) -> None:
    plain = statement(tmp_path, "\n\nCREATE UNIQUE INDEX i ON t (c)")
    found = on_partition(plain, "other", 'Odd "part"', "Odd i")
    wanted = 'CREATE UNIQUE INDEX CONCURRENTLY "Odd i" ON other."Odd ""part""" (c)'
    assert found.sql == normal(wanted)
    assert (found.transactional, found.line, found.number) == (False, 3, 1)
    assert [(str(item), item.table) for item in found.creates] == [("other.Odd i", 'Odd "part"')]
    assert [lock.mode for lock in found.locks] == [LockMode.SHARE_UPDATE_EXCLUSIVE]
    assert found.scans == (found.locks[0].relation,)


def test_nothing_of_the_definition_is_lost(tmp_path: Path) -> None:
    plain = statement(tmp_path, f"CREATE UNIQUE INDEX i ON t {OPTIONS}")
    for found, where in (
        (on_only(plain, "s", "t", "i"), "i ON ONLY s.t"),
        (on_partition(plain, "s", "p", "p_i"), "CONCURRENTLY p_i ON s.p"),
    ):
        assert found.sql == normal(f"CREATE UNIQUE INDEX {where} {OPTIONS}")


def test_a_name_that_fits_is_both_names() -> None:
    assert index_name("part", "idx") == "part_idx"
    assert index_name("p" * 31, "i" * 31) == f"{'p' * 31}_{'i' * 31}"


@pytest.mark.parametrize(
    ("partition", "index"),
    [
        ("p" * 63, "i" * 63),
        ("p" * 32, "i" * 31),
        ("é" * 31, "i"),
        ("表" * 21, "索" * 21),
        ("a" + "é" * 31, "x"),
    ],
)
def test_a_name_that_is_too_long_is_cut_to_what_the_server_keeps(
    partition: str, index: str
) -> None:
    name = index_name(partition, index)
    assert len(name.encode()) <= 63
    assert name == index_name(partition, index)
    assert f"{partition}_{index}".startswith(name.rpartition("_")[0])


def test_long_names_that_differ_at_their_ends_stay_distinct() -> None:
    partitions = [f"{'part' * 15}{number}" for number in range(10)]
    names = {index_name(part, index) for part in partitions for index in ("i" * 60 + "1", "i" * 60)}
    assert len(names) == 20
