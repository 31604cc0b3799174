"""Named SQL: a check says in its header what it is for, and every file of the project loads."""

import re
from pathlib import Path

import pytest

from runbook_lib.checks import prechecks
from runbook_lib.errors import ReleaseError
from runbook_lib.findings import Severity
from runbook_lib.parser.parse import read_statements
from runbook_lib.postgres import queries
from runbook_lib.release import reader
from runbook_lib.release.model import Check
from tests.support.projects import REPOSITORY

HEADER = {
    "name": "one",
    "severity": "error",
    "expect": "no rows",
    "remedy": "Mend it.",
}


def write(directory: Path, sql: str = "SELECT 1", why: str = "Why.", **header: str) -> Path:
    fields = {**HEADER, **header}
    lines = [f"-- {why}", *(f"-- {key}: {value}" for key, value in fields.items() if value), sql]
    path = directory / "check.sql"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def refused(path: Path) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        reader.read_check(path)
    return caught.value


def test_a_check_is_its_reason_its_header_and_its_query(tmp_path: Path) -> None:
    path = write(tmp_path, "SELECT 1\nFROM t", expect=">= 5", severity="warning")
    assert reader.read_check(path) == Check(
        "one", "Why.", Severity.WARNING, ">= 5", "Mend it.", "SELECT 1\nFROM t", path
    )


def test_a_header_line_may_go_on(tmp_path: Path) -> None:
    path = write(tmp_path, "--    and again: now.\nSELECT 1")
    assert reader.read_check(path).remedy == "Mend it. and again: now."


def test_what_a_check_looked_at_is_a_query_of_its_header(tmp_path: Path) -> None:
    path = write(tmp_path, seen="SELECT count(*)\n--    || ' rows' FROM t")
    assert reader.read_check(path).seen == "SELECT count(*) || ' rows' FROM t"


@pytest.mark.parametrize("seen", ["DELETE FROM t", "SELECT 1; SELECT 2", "SELEC 1"])
def test_what_it_looked_at_is_told_by_one_query_that_reads(tmp_path: Path, seen: str) -> None:
    assert refused(write(tmp_path, seen=seen)).line == 6


@pytest.mark.parametrize("key", list(HEADER))
def test_a_header_without_one_of_its_lines_is_refused(tmp_path: Path, key: str) -> None:
    error = refused(write(tmp_path, **{key: ""}))
    assert f"'-- {key}: ...'" in error.message
    assert error.path == str(tmp_path / "check.sql")


def test_an_unknown_severity_is_refused_with_its_line(tmp_path: Path) -> None:
    error = refused(write(tmp_path, severity="fatal"))
    assert (error.line, "severity is 'fatal'" in error.message) == (3, True)


@pytest.mark.parametrize("expect", ["some rows", "= many", "> 3", ">=3", "no row", "= -1"])
def test_an_unknown_expectation_is_refused_with_its_line(tmp_path: Path, expect: str) -> None:
    error = refused(write(tmp_path, expect=expect))
    assert (error.line, f"expect is '{expect}'" in error.message) == (4, True)


@pytest.mark.parametrize("expect", ["no rows", "= 0", ">= 12"])
def test_a_known_expectation_is_read(tmp_path: Path, expect: str) -> None:
    assert reader.read_check(write(tmp_path, expect=expect)).expect == expect


def test_a_check_by_hand_has_no_query(tmp_path: Path) -> None:
    assert reader.read_check(write(tmp_path, "", expect="by hand")).sql == ""


@pytest.mark.parametrize(("sql", "expect"), [("SELECT 1", "by hand"), ("", "no rows")])
def test_a_query_where_none_belongs_and_none_where_one_does_are_refused(
    tmp_path: Path, sql: str, expect: str
) -> None:
    error = refused(write(tmp_path, sql, expect=expect))
    assert (error.line, "'by hand'" in error.message) == (6, True)


def test_a_directory_that_is_not_there_holds_no_check(tmp_path: Path) -> None:
    assert reader.read_checks(tmp_path / "checks") == ()


CHECKS = sorted((REPOSITORY / "sql" / "checks").glob("*.sql"))
PRE = sorted(prechecks.QUERIES.glob("*.sql"))
CATALOG = sorted((REPOSITORY / "runbook_lib" / "postgres" / "queries").glob("*.sql"))


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_a_check_of_the_project_is_one_query_named_as_its_file(path: Path) -> None:
    check = reader.read_check(path)
    assert check.name == path.stem
    statements, findings = read_statements(check.sql, str(path))
    kinds = [item.kind for item in statements]
    assert not findings
    assert kinds == ([] if check.expect == "by hand" else ["select"])


@pytest.mark.parametrize("path", PRE, ids=lambda path: path.stem)
def test_a_precheck_of_the_project_is_one_query(path: Path) -> None:
    check = reader.read_check(path)
    statements, findings = read_statements(_without_parameters(check.sql), str(path))
    assert ([item.kind for item in statements], findings) == (["select"], ())


@pytest.mark.parametrize("path", CATALOG, ids=lambda path: path.stem)
def test_a_catalog_file_of_the_project_says_why_and_holds_one_statement(path: Path) -> None:
    text = queries.load(path.stem)
    why = text.splitlines()[0]
    assert why.startswith("-- ")
    assert len(why.split()) >= 4
    one = _without_parameters(text).replace("{}", "of_the_ledger")
    statements, findings = read_statements(one, str(path))
    assert (len(statements), findings) == (1, ())


@pytest.mark.parametrize("path", [*CATALOG, *PRE], ids=lambda path: path.stem)
def test_a_query_with_parameters_doubles_every_other_percent_sign(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    rest = re.sub(r"%\(\w+\)s|%%", "", text)
    assert "%(" not in text or "%" not in rest


@pytest.mark.parametrize("path", CATALOG, ids=lambda path: path.stem)
def test_a_catalog_file_of_the_project_is_used(path: Path) -> None:
    sources = [item.read_text() for item in (REPOSITORY / "runbook_lib").rglob("*.py")]
    name = f'"{path.stem}"' if not path.stem.startswith("schema_") else '"schema_'
    assert any(name in source for source in sources)


def _without_parameters(text: str) -> str:
    return re.sub(r"%\(\w+\)s", "NULL", text)
