"""Directories laid out for another tool are refused with their file; those of our own are not."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from runbook_lib.errors import ReleaseError
from runbook_lib.release.reader import read_release

SQL = "CREATE TABLE a (id int);\n"
REFUSED: dict[str, tuple[Mapping[str, str], str]] = {
    "dbmate": ({"1_a.sql": f"-- migrate:up\n{SQL}-- migrate:down\nDROP TABLE a;\n"}, "1_a.sql:1"),
    "goose": ({"1_a.sql": f"{SQL}\n-- +goose Down\nDROP TABLE a;\n"}, "1_a.sql:3"),
    "sql-migrate": ({"1_a.sql": f"-- +migrate Up\n{SQL}"}, "1_a.sql:1"),
    "node-pg-migrate": ({"1_a.sql": f"-- Up Migration\n{SQL}-- Down Migration\n"}, "1_a.sql:1"),
    "rambler": ({"1_a.sql": f"-- rambler up\n{SQL}-- rambler down\n"}, "1_a.sql:1"),
    "play": ({"1.sql": f"# --- !Ups\n{SQL}# --- !Downs\n"}, "1.sql:1"),
    "mybatis": ({"1_a.sql": f"{SQL}--//@UNDO\nDROP TABLE a;\n"}, "1_a.sql:2"),
    "liquibase": ({"1_a.sql": f"--liquibase formatted sql\n{SQL}"}, "1_a.sql:1"),
    "golang-migrate": ({"1_a.up.sql": SQL, "1_a.down.sql": "DROP TABLE a;"}, "1_a.down.sql"),
    "up alone": ({"1_a.up.sql": SQL}, "1_a.up.sql"),
    "postgrator": ({"001.do.sql": SQL, "001.undo.sql": "DROP TABLE a;"}, "001.do.sql"),
    "a pair by underscore": ({"1_up.sql": SQL, "1_down.sql": "DROP TABLE a;"}, "1_down.sql"),
    "diesel": ({"1_a/up.sql": SQL, "1_a/down.sql": "DROP TABLE a;"}, "up.sql"),
    "flyway undo": ({"V1__a.sql": SQL, "U1__a.sql": "DROP TABLE a;"}, "U1__a.sql"),
    "flyway repeatable": ({"V1__a.sql": SQL, "R__b.sql": SQL}, "R__b.sql"),
    "flyway baseline": ({"V1__a.sql": SQL, "B1__b.sql": SQL}, "B1__b.sql"),
    "flyway callback": ({"V1__a.sql": SQL, "afterMigrate.sql": SQL}, "afterMigrate.sql"),
    "drizzle": ({"0_a.sql": SQL, "meta/_journal.json": "{}"}, "_journal.json"),
    "sqitch": ({"deploy/a.sql": SQL, "sqitch.plan": "a\n"}, "sqitch.plan"),
    "a changelog": ({"1_a.sql": SQL, "db.changelog-master.yaml": ""}, "changelog-master"),
    "two layouts": ({"1_a/migration.sql": SQL, "2_b.sql": SQL}, "2_b.sql"),
    "a step in TypeScript": ({"1_a/migration.sql": SQL, "2_b/migration.ts": ""}, "2_b"),
    "a step in Python": ({"1_a.sql": SQL, "2_b.py": ""}, "2_b.py"),
    "a step in shell": ({"1_a.sql": SQL, "002-b.sh": ""}, "002-b.sh"),
}
ACCEPTED: dict[str, Mapping[str, str]] = {
    "plain": {"1_a.sql": SQL, "10_b.sql": SQL},
    "prisma": {"1_a/migration.sql": SQL, "1_a/down.sql": "", "migration_lock.toml": ""},
    "flyway versions": {"V1__a.sql": SQL, "V2.1__b.sql": SQL},
    "what people keep beside": {"1_a.sql": SQL, "README.md": "", ".gitkeep": "", "LICENSE": ""},
    "a helper that is no step": {"1_a.sql": SQL, "__init__.py": "", "migrate.sh": ""},
    "a directory that is no step": {"1_a.sql": SQL, "seeds/people.csv": "", "docs/a.md": ""},
    "words in comments": {
        "1_a.sql": f"-- the way up; for the way down: drop it\n-- rollback\n{SQL}"
    },
    "names that speak of ways": {"1_sign_up.sql": SQL, "2_break_down.sql": SQL},
    "a marker in a text": {"1_a.sql": "INSERT INTO a VALUES ('see -- migrate:up');\n"},
}


def written(directory: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = directory / "release" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory / "release"


@pytest.mark.parametrize("tool", REFUSED)
def test_what_is_laid_out_for_another_tool_is_refused_with_its_file(
    tool: str, tmp_path: Path
) -> None:
    files, place = REFUSED[tool]
    with pytest.raises(ReleaseError) as caught:
        read_release(written(tmp_path, files))
    assert place in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("kind", ACCEPTED)
def test_what_is_plain_sql_is_read(kind: str, tmp_path: Path) -> None:
    release = read_release(written(tmp_path, ACCEPTED[kind]))
    assert release.migrations


def test_a_link_out_of_the_release_is_refused(tmp_path: Path) -> None:
    directory = written(tmp_path, {"1_a.sql": SQL})
    (tmp_path / "elsewhere.sql").write_text(SQL)
    (directory / "2_b.sql").symlink_to(tmp_path / "elsewhere.sql")
    with pytest.raises(ReleaseError, match="a link leads there"):
        read_release(directory)


@pytest.mark.timeout(20)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    directory = written(tmp_path, {"1_a/migration.sql": SQL})
    (directory / "2_b").mkdir()
    os.mkfifo(directory / "2_b" / "migration.sql")
    with pytest.raises(ReleaseError, match="no regular file"):
        read_release(directory)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    directory = written(tmp_path, {"1_a.sql": SQL})
    with (directory / "1_a.sql").open("ab") as file:
        file.truncate(10**9)  # sparse: nothing is written
    with pytest.raises(ReleaseError, match="larger than 64 MB"):
        read_release(directory)


def test_a_name_that_leaves_no_room_is_refused(tmp_path: Path) -> None:
    directory = written(tmp_path, {f"{'a' * 240}.sql": SQL})
    with pytest.raises(ReleaseError, match="longer than 180 bytes"):
        read_release(directory)


@pytest.mark.parametrize("name", ["2_\x1b[31mred", "2_two\nlines", "2_\u202eslqs", "2_a\tb"])
def test_a_name_that_acts_on_a_screen_is_refused(tmp_path: Path, name: str) -> None:
    directory = written(tmp_path, {"1_a.sql": SQL, f"{name}.sql": SQL})
    with pytest.raises(ReleaseError, match="control character") as caught:
        read_release(directory)
    assert "\x1b" not in str(caught.value)
