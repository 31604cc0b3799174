"""A release is read whole or refused with file and line; its manifest says what its SQL does."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from runbook_lib.errors import ReleaseError
from runbook_lib.findings import Finding
from runbook_lib.parser import parse, transactions
from runbook_lib.parser.statement import Statement
from runbook_lib.release import plan, reader
from runbook_lib.release.model import Release
from runbook_lib.release.reader import read_release
from tests.support.projects import REPOSITORY
from tests.support.releases import release_of, write_release

MANIFEST = """name = "Small Shop"
title = "A small shop"

[[migration]]
number = 1
name = "0001_a"
purpose = "first"
risk = "Low"
estimate = "fast"
tables = ["a", "b"]
enums = ["role"]
indexes = ["i"]
relations = ["b.a -> a.id"]
"""
SQL = """CREATE TYPE role AS ENUM ('X');
CREATE TABLE a (id int PRIMARY KEY, r role);

CREATE TABLE b (
  a int REFERENCES a (id)
);
CREATE INDEX i ON b (a);
"""


def write(directory: Path, manifest: str = MANIFEST, sql: str = SQL) -> Path:
    """Write a release with a manifest."""
    write_release(directory / "migrations", {"0001_a": sql})
    (directory / "release.toml").write_text(manifest, encoding="utf-8")
    return directory


def refused(directory: Path) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        read_release(directory)
    return caught.value


def defect(directory: Path) -> Finding:
    """Return the only defect of a release."""
    (finding,) = read_release(directory).defects
    assert finding.blocks
    return finding


@pytest.fixture(scope="module")
def shipped() -> Release:
    return read_release(REPOSITORY / "sql")


# --- the release that ships ---------------------------------------------------------------------


def test_the_shipped_release_has_its_seven_migrations(shipped: Release) -> None:
    assert [item.declared.number for item in shipped.migrations] == [1, 2, 3, 4, 5, 6, 7]


def test_migration_4_of_the_shipped_release_moves_behind_migration_7(shipped: Release) -> None:
    found = plan.order(shipped)
    numbers = [shipped.migration(name).declared.number for name in found.names]
    assert numbers == [1, 2, 3, 5, 6, 7, 4]
    assert [item.migration for item in found.moved] == [shipped.migrations[3].name]


@pytest.mark.parametrize(
    ("number", "least", "most"),
    [(1, 8, 8), (2, 40, 99), (3, 5, 5), (4, 1, 1), (5, 0, 0), (6, 4, 4), (7, 20, 99)],
)
def test_a_migration_creates_as_many_tables_as_the_brief_says(
    shipped: Release, number: int, least: int, most: int
) -> None:
    kinds = Counter(item.kind for item in shipped.migrations[number - 1].creates)
    assert least <= kinds["table"] <= most


def test_the_performance_migration_creates_thirty_indexes_and_more(shipped: Release) -> None:
    names = [item.name for item in shipped.migrations[4].creates if item.kind == "index"]
    assert len([name for name in names if name.startswith("idx_")]) >= 30


def test_every_migration_of_the_shipped_release_can_be_split_into_units(shipped: Release) -> None:
    assert all(transactions.transactions_of(item.statements) for item in shipped.migrations)


def test_every_criterion_names_a_check_that_is_there_or_none(shipped: Release) -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (REPOSITORY / "runbook_lib").rglob("*.py")
    )
    known = {check.name for check in shipped.checks}
    known |= {item.name for item in shipped.thresholds} | {item.name for item in shipped.variables}
    asked = {item.check for item in shipped.criteria if item.check}
    assert {name for name in asked - known if f'"{name}"' not in sources} == set()


# --- the manifest against the SQL ---------------------------------------------------------------


def test_a_manifest_that_says_what_the_sql_does_is_read(tmp_path: Path) -> None:
    release = read_release(write(tmp_path))
    assert (release.name, release.title) == ("small-shop", "A small shop")


@pytest.mark.parametrize(
    ("kind", "name", "line"),
    [
        ("tables", "c", 10),
        ("enums", "c", 11),
        ("indexes", "c", 12),
        ("relations", "b.c -> a.id", 13),
    ],
)
def test_what_is_declared_and_not_created_is_refused(
    tmp_path: Path, kind: str, name: str, line: int
) -> None:
    manifest = MANIFEST.replace(f"{kind} = [", f'{kind} = ["{name}", ')
    error = defect(write(tmp_path, manifest))
    assert error.place == f"{tmp_path.name}/release.toml:{line}"
    assert f"declares {name} among its {kind}" in error.cause


@pytest.mark.parametrize(
    ("kind", "name", "line"),
    [
        ("tables", "a", 2),
        ("enums", "role", 1),
        ("indexes", "i", 7),
        ("relations", "b.a -> a.id", 4),
    ],
)
def test_what_is_created_and_not_declared_is_refused(
    tmp_path: Path, kind: str, name: str, line: int
) -> None:
    manifest = re.sub(rf'^({kind} = .*)"{re.escape(name)}",? ?', r"\1", MANIFEST, flags=re.M)
    error = defect(write(tmp_path, manifest))
    assert error.place.endswith(f"/migrations/0001_a/migration.sql:{line}")
    assert error.cause.startswith(f"{name} is created here")
    assert f"among the {kind}" in error.cause


def test_a_listed_file_that_is_missing_is_refused_with_the_line_of_its_entry(
    tmp_path: Path,
) -> None:
    shutil.rmtree(write(tmp_path) / "migrations" / "0001_a")
    error = defect(tmp_path)
    assert error.place == f"{tmp_path.name}/release.toml:6"
    assert "0001_a" in error.cause


def test_a_file_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    write_release(write(tmp_path) / "migrations", {"0002_b": "SELECT 1"})
    assert "0002_b/migration.sql is not listed" in defect(tmp_path).cause


def test_a_manifest_that_is_not_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    error = refused(write(tmp_path, MANIFEST.replace("number = 1", "number 1")))
    assert error.path == str(tmp_path / "release.toml")
    assert error.line == 5


@pytest.mark.parametrize("key", ["number", "name", "purpose", "risk", "estimate"])
def test_a_key_that_is_missing_from_a_migration_is_named(tmp_path: Path, key: str) -> None:
    manifest = re.sub(rf"(\[\[migration\]\][^\[]*?){key} = .*\n", r"\1", MANIFEST)
    error = refused(write(tmp_path, manifest))
    assert error.message == f"[[migration]] has no {key}."
    assert error.line == 4
    assert error.path == str(tmp_path / "release.toml")


def test_an_unknown_key_of_a_table_is_named(tmp_path: Path) -> None:
    manifest = f'{MANIFEST}\n[[role]]\nname = "DBA"\ngroup = "Engineering"\ncolour = "red"\n'
    error = refused(write(tmp_path, manifest))
    assert error.message == "[[role]] has an unknown key 'colour'."
    assert error.line == MANIFEST.count("\n") + 5
    assert error.path == str(tmp_path / "release.toml")


def test_an_unknown_key_of_a_migration_is_named(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("tables =", 'colour = "red"\ntables =')
    error = refused(write(tmp_path, manifest))
    assert error.message == "[[migration]] has an unknown key 'colour'."
    assert error.line == 10


def test_every_defect_of_a_release_is_listed_at_once(tmp_path: Path) -> None:
    files = {"0003_c": "SELEC 1;\nSELEC 2;"}
    release = release_of(tmp_path / "plain", {**files, "0004_d": "\\i x.sql\nSELEC 3;"})
    assert [item.place.split("/", 1)[1] for item in release.defects] == [
        "0003_c/migration.sql:1",
        "0003_c/migration.sql:2",
        "0004_d/migration.sql:1",
        "0004_d/migration.sql:2",
    ]


ACCEPT = """
[[accept]]
rule = "json-column"
migration = "0001_a"
reason = "nobody compares it"
"""


def test_a_manifest_may_hold_acceptances_alone(tmp_path: Path) -> None:
    write_release(tmp_path, {"0001_a": "CREATE TABLE t (j json)"})
    (tmp_path / "release.toml").write_text(ACCEPT, encoding="utf-8")
    release = read_release(tmp_path)
    (accepted,) = release.accepts
    assert (accepted.rule, accepted.migration, accepted.line) == ("json-column", "0001_a", 3)
    assert [item.name for item in release.migrations] == ["0001_a"]


def test_an_acceptance_without_a_reason_is_refused_with_its_line(tmp_path: Path) -> None:
    text = MANIFEST + ACCEPT.replace("nobody compares it", " ")
    error = refused(write(tmp_path, text))
    assert error.line == MANIFEST.count("\n") + 5
    assert error.message == '[[accept]] reason = " " is not a text that says something.'


# --- plain directories --------------------------------------------------------------------------


def test_prisma_directories_apply_in_the_order_of_their_names(tmp_path: Path) -> None:
    files = dict.fromkeys(("20250102_b", "20250101_a", "20250103_c"), "SELECT 1")
    names = [item.name for item in release_of(tmp_path, files).migrations]
    assert names == ["20250101_a", "20250102_b", "20250103_c"]


def test_numbers_in_names_of_plain_files_are_compared_as_numbers(tmp_path: Path) -> None:
    for name in ("10_c.sql", "9_b.sql", "1_a.sql", "10_b.sql"):
        (tmp_path / name).write_text("SELECT 1")
    names = [item.name for item in read_release(tmp_path).migrations]
    assert names == ["1_a", "9_b", "10_b", "10_c"]


def test_a_directory_called_migrations_is_named_by_its_parent(tmp_path: Path) -> None:
    directory = write_release(tmp_path / "Web Shop" / "migrations", {"1": "SELECT 1"})
    assert read_release(directory).name == "web-shop"


@pytest.mark.parametrize("manifest", ["", 'title = "Ours"'], ids=["none", "that lists nothing"])
def test_migrations_may_lie_below_as_where_a_manifest_lists_them(
    manifest: str, tmp_path: Path
) -> None:
    write_release(tmp_path / "shop" / "migrations", {"1_a": "SELECT 1"})
    if manifest:
        (tmp_path / "shop" / "release.toml").write_text(manifest)
    release = read_release(tmp_path / "shop")
    assert [item.name for item in release.migrations] == ["1_a"]
    assert release.migrations[0].statements[0].path == "shop/migrations/1_a/migration.sql"
    assert release.name == "shop"


def test_a_directory_name_with_spaces_is_read(tmp_path: Path) -> None:
    directory = write_release(tmp_path / "my release (new)", {"1 first": "SELECT 1"})
    release = read_release(directory)
    assert (release.name, release.migrations[0].name) == ("my-release-new", "1 first")


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    assert "holds neither" in refused(tmp_path).message


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "no release directory" in refused(tmp_path / "nowhere").message


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    path = write_release(tmp_path, {"1": ""}) / "1" / "migration.sql"
    path.write_bytes(b"SELECT 1;\n-- \xe4\xf6\nSELECT 2;")
    assert defect(tmp_path).place == f"{tmp_path.name}/1/migration.sql:2"


def test_a_byte_order_mark_is_no_sql(tmp_path: Path) -> None:
    path = write_release(tmp_path, {"1": ""}) / "1" / "migration.sql"
    path.write_bytes(b"\xef\xbb\xbfSELECT 1;")
    (statement,) = read_release(tmp_path).migrations[0].statements
    assert (statement.sql, statement.line) == ("SELECT 1", 1)


# --- the digest ---------------------------------------------------------------------------------


def test_the_digest_changes_with_one_byte_of_a_file(tmp_path: Path) -> None:
    before = release_of(tmp_path / "a", {"1": "SELECT 1", "2": "SELECT 2"})
    after = release_of(tmp_path / "b", {"1": "SELECT 1", "2": "SELECT 2 "})
    assert before.digest != after.digest


def test_the_digest_changes_with_the_name_of_a_file(tmp_path: Path) -> None:
    before = release_of(tmp_path / "a", {"1": "SELECT 1"})
    assert before.digest != release_of(tmp_path / "b", {"2": "SELECT 1"}).digest


def test_the_digest_is_the_same_at_another_place(tmp_path: Path) -> None:
    files = {"1": "SELECT 1"}
    assert release_of(tmp_path / "a", files).digest == release_of(tmp_path / "b", files).digest


CHECK = "-- Why.\n-- name: a\n-- severity: error\n-- expect: no rows\n-- remedy: mend it\n"
BESIDE = {
    "release.toml": 'title = "Shop"\n',
    "1/down.sql": "SELECT 1; -- back",
    "checks/a.sql": f"{CHECK}SELECT 1",
    "checks/pre/b.sql": f"{CHECK}SELECT 1",
}


@pytest.mark.parametrize("name", BESIDE)
def test_the_digest_binds_every_file_that_is_executed_or_decides(name: str, tmp_path: Path) -> None:
    directory = write_release(tmp_path / "release", {"1": "SELECT 1"})
    for other, text in BESIDE.items():
        (directory / other).parent.mkdir(parents=True, exist_ok=True)
        (directory / other).write_text(text)
    before = read_release(directory)
    assert set(before.files) == {"1/migration.sql", *BESIDE}
    (directory / name).write_text(f"{BESIDE[name]}\n")  # in a comment, or behind the last byte
    changed = read_release(directory)
    (directory / name).unlink()
    assert len({before.digest, changed.digest, read_release(directory).digest}) == 3


def test_a_checksum_is_the_sha256_of_the_bytes_as_prisma_takes_it(tmp_path: Path) -> None:
    release = release_of(tmp_path, {"1": "SELECT 1;\n"})
    assert release.migrations[0].checksum == (
        "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd"
    )


def test_a_migration_listed_twice_is_refused_with_the_second_line(tmp_path: Path) -> None:
    entry = MANIFEST[MANIFEST.index("[[migration]]") :]
    error = refused(write(tmp_path, f"{MANIFEST}\n{entry}"))
    assert error.line == MANIFEST.count("\n") + 4
    assert "lists 0001_a twice" in error.message


@pytest.mark.parametrize(
    "table",
    [
        '[production_today]\nmigrations = ["0009_z"]\n',
        '[demo_rows]\nbefore = "0009_z"\ndirectory = "demo"\n',
    ],
)
def test_a_name_that_is_not_listed_is_refused(tmp_path: Path, table: str) -> None:
    error = refused(write(tmp_path, f"{MANIFEST}\n{table}"))
    assert "speaks of 0009_z" in error.message
    assert error.line == MANIFEST.count("\n") + 3


def test_a_manifest_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    directory = write(tmp_path)
    (directory / "release.toml").write_bytes('title = "ü"'.encode("latin-1"))
    error = refused(directory)
    assert error.message == "The file is not UTF-8, as its byte 0xfc shows."
    assert error.place == f"{directory}/release.toml:1"


# --- read once --------------------------------------------------------------------------------


def test_the_same_text_is_parsed_once_and_an_edited_one_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write_release(tmp_path, {"0001_a": "SELECT 11;", "0002_b": "SELECT 22;"})
    parsed = list[str]()

    def counted(sql: str, path: str) -> tuple[tuple[Statement, ...], tuple[Finding, ...]]:
        parsed.append(sql)
        return parse.read_statements(sql, path)

    monkeypatch.setattr(reader, "read_statements", counted)
    first = read_release(directory)
    assert parsed == ["SELECT 11;", "SELECT 22;"]
    assert read_release(directory).migrations == first.migrations
    assert len(parsed) == 2
    edited = directory / "0001_a" / "migration.sql"
    was = edited.stat()
    edited.write_text("SELECT 33;")
    os.utime(edited, ns=(was.st_atime_ns, was.st_mtime_ns))  # neither time nor size tells it
    again = read_release(directory)
    assert parsed[2:] == ["SELECT 33;"]
    assert again.digest != first.digest
