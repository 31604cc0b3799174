"""What lies in a backup's directory, who may read it, how many stay, and what is copied away."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest

from runbook_lib.backup import dump, files
from runbook_lib.backup.dump import still_whole
from runbook_lib.config.policies import Policy
from runbook_lib.errors import GateError, ToolError
from runbook_lib.evidence.records import Backup
from runbook_lib.parser.identifiers import quote
from runbook_lib.postgres import tools
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.redaction import redact
from tests.support.policies import changed
from tests.support.snapshots import POLICY, SHOP, back_up, identified

BRIEF = changed(POLICY, backup={"format": "custom", "compression": "gzip:9"})


@pytest.fixture(autouse=True)
def shop(connection: Connection) -> None:
    connection.execute(SHOP)


@pytest.fixture
def reader(target: Database, connection: Connection) -> Iterator[Database]:
    """Return the target as a role sees it that may read the tables and nothing more."""
    name = f"reader_{target.dbname}"
    connection.execute(f"CREATE ROLE {quote(name)} LOGIN; GRANT pg_read_all_data TO {quote(name)}")
    yield Database({**target.parameters, "user": name})
    connection.execute(f"DROP OWNED BY {quote(name)}; DROP ROLE {quote(name)}")


def files_of(path: Path) -> list[Path]:
    return sorted(item for item in path.rglob("*") if item.is_file())


def manifest(made: Backup) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((made.path / "manifest.json").read_text())
    return content


@pytest.mark.parametrize("policy", [POLICY, BRIEF], ids=["directory", "custom"])
def test_a_backup_is_private_and_nothing_else_is_there(
    target: Database, tmp_path: Path, policy: Policy
) -> None:
    made = back_up(target, tmp_path / "backups", policy)
    assert re.fullmatch(r"migration_backup_\d{8}_\d{6}", made.path.name)
    modes = {item.stat().st_mode & 0o777 for item in files_of(made.path)}
    directories = [made.path.parent, made.path, *(x for x in made.path.rglob("*") if x.is_dir())]
    assert modes == {0o600}
    assert {item.stat().st_mode & 0o777 for item in directories} == {0o700}
    assert [item.name for item in made.path.parent.iterdir()] == [made.path.name]
    archive = "archive" if policy is POLICY else "archive.dump"
    assert {item.name for item in made.path.iterdir()} == {
        *(archive, "globals.sql", "schema.json", "manifest.json")
    }


def test_the_manifest_has_the_digest_of_every_other_file(target: Database, tmp_path: Path) -> None:
    made = back_up(target, tmp_path)
    digests = {
        str(path.relative_to(made.path)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_of(made.path)
    }
    assert digests.pop("manifest.json") == made.sha256
    assert manifest(made)["files"] == digests
    archive = [path for path in files_of(made.path) if path.is_relative_to(made.archive)]
    assert made.size == sum(path.stat().st_size for path in archive) > 0


def test_the_manifest_says_whose_moment_it_holds(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    made = back_up(target, tmp_path)
    found, known = manifest(made), identified(target)
    assert found["server"] == {
        "version": known.version,
        "system_identifier": known.system_identifier,
        "host": known.host,
        "port": known.port,
        "dbname": target.dbname,
    }
    for name in (
        *("lsn", "schema_fingerprint", "rows", "checksums", "database_size", "tool", "format"),
        *("compression", "jobs", "entries", "restore_point", "without_globals"),
    ):
        assert found[name] == getattr(made, name)
    assert found["taken_at"] == str(made.taken_at)
    written = f"SELECT pg_current_wal_lsn() >= '{found['lsn']}'"
    assert connection.value(written)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def add(path: Path) -> None:
    path.with_name("more").write_text("more")


@pytest.mark.parametrize("policy", [POLICY, BRIEF], ids=["directory", "custom"])
@pytest.mark.parametrize("damage", [cut, flip, Path.unlink, add])
def test_a_backup_of_which_any_file_was_changed_is_not_whole(
    target: Database, tmp_path: Path, policy: Policy, damage: Callable[[Path], None]
) -> None:
    made = back_up(target, tmp_path, policy)
    for path in files_of(made.path):
        assert still_whole(made)
        data = path.read_bytes()
        damage(path)
        assert not still_whole(made), path
        path.write_bytes(data)
        path.with_name("more").unlink(missing_ok=True)
    made.path.rename(tmp_path / "elsewhere")
    assert not still_whole(made)


def test_an_earlier_backup_of_the_same_second_is_not_overwritten(
    target: Database, tmp_path: Path
) -> None:
    seconds = [datetime.now(UTC) + timedelta(seconds=number) for number in range(2)]
    names = [f"migration_backup_{at:%Y%m%d_%H%M%S}" for at in seconds]
    earlier = [tmp_path / names[0], tmp_path / f"{names[1]}.partial"]
    for path in earlier:
        path.mkdir()
        (path / "file").write_text("earlier")
    made = back_up(target, tmp_path)
    assert made.path.name not in names
    assert [[x.read_text() for x in path.iterdir()] for path in earlier] == [["earlier"]] * 2


def test_roles_are_recorded_without_passwords(
    target: Database, connection: Connection, reader: Database, tmp_path: Path
) -> None:
    name = reader.parameters["user"]
    connection.execute(f"ALTER ROLE {quote(name)} PASSWORD 'not to be written'")
    made = back_up(reader, tmp_path)
    text = (made.path / "globals.sql").read_text()
    assert f"CREATE ROLE {name};" in text
    assert "PASSWORD" not in text
    assert made.without_globals == ""


def test_roles_that_may_not_be_read_are_said_to_be_missing(
    reader: Database, connection: Connection, tmp_path: Path
) -> None:
    user = quote(reader.parameters["user"])
    connection.execute(
        f"REVOKE pg_read_all_data FROM {user}; GRANT SELECT ON users, orders TO {user};"
        "REVOKE SELECT ON pg_catalog.pg_auth_members FROM PUBLIC"
    )
    made = back_up(reader, tmp_path)
    assert "permission denied" in made.without_globals
    assert made.without_globals.startswith("The roles are not in it: pg_dumpall ")
    assert manifest(made)["without_globals"] == made.without_globals
    assert not (made.path / "globals.sql").exists()
    assert still_whole(made)


@pytest.mark.parametrize(
    ("what", "limit", "jobs"), [("ROLE", 7, 4), ("ROLE", 5, 2), ("ROLE", 3, 1), ("DATABASE", 6, 2)]
)
def test_connection_limits_lower_the_jobs(
    reader: Database, connection: Connection, tmp_path: Path, what: str, limit: int, jobs: int
) -> None:
    name = reader.parameters["user"] if what == "ROLE" else reader.dbname
    connection.execute(f"ALTER {what} {quote(name)} CONNECTION LIMIT {limit}")
    made = back_up(reader, tmp_path, changed(POLICY, backup={"jobs": 4}))
    assert made.jobs == jobs


def fake(directory: Path, version: str, refuses: str) -> Path:
    """Write a pg_dump that tells a version and refuses some compressions."""
    path = directory / "pg_dump"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in --version) echo "pg_dump (PostgreSQL) {version}";;\n'
        f"*--compress={refuses}*) echo 'this build does not support compression' >&2; exit 1;;\n"
        "*) echo 'connection to server failed' >&2; exit 1;; esac\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("version", "refuses", "chosen", "word"),
    [
        ("17.2", "none", "zstd:1", "zstd:1"),
        ("17.2", "zstd", "lz4", "lz4"),
        ("16.0", "[zl]", "gzip:1", "gzip:1"),
        ("15.8", "none", "gzip:1", "1"),
    ],
)
def test_the_best_compression_is_what_the_program_supports(
    connection: Connection, tmp_path: Path, version: str, refuses: str, chosen: str, word: str
) -> None:
    pg_dump = fake(tmp_path, version, refuses)
    assert dump.choose_form(connection, pg_dump, POLICY).compression == chosen
    assert tools.compression_word(pg_dump, chosen) == word


def test_a_compression_that_the_program_does_not_support_is_refused(
    connection: Connection, tmp_path: Path
) -> None:
    policy = changed(POLICY, backup={"compression": "zstd:3"})
    for place, (version, refuses) in enumerate([("17.2", "zstd"), ("15.8", "none")]):
        directory = tmp_path / str(place)
        directory.mkdir()
        pg_dump = fake(directory, version, refuses)
        with pytest.raises(ToolError, match=f"pg_dump {version} does not support zstd:3"):
            dump.choose_form(connection, pg_dump, policy)


def test_older_backups_of_the_same_database_go(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    made = [back_up(target, tmp_path) for _ in range(5)]
    unreadable, foreign, incomplete, *complete = made
    (unreadable.path / "manifest.json").write_text("{")
    content = manifest(foreign)
    content["server"]["dbname"] = "another"
    (foreign.path / "manifest.json").write_text(json.dumps(content))
    (incomplete.path / "schema.json").unlink()
    newest = back_up(target, tmp_path, changed(POLICY, backup={"kept": 2}))
    assert newest.removed == [complete[0].path.name]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {item.path.name for item in (*made, newest)} - set(newest.removed)
    last = back_up(target, tmp_path, changed(POLICY, backup={"kept": 1}))
    assert last.removed == [complete[1].path.name, newest.path.name]
    assert still_whole(last)


def test_a_backup_that_fails_removes_none(target: Database, tmp_path: Path) -> None:
    made = back_up(target, tmp_path)
    policy = changed(POLICY, backup={"kept": 1}, health={"disk_free": 10**9})
    with pytest.raises(GateError):
        back_up(target, tmp_path, policy)
    assert still_whole(made)


def test_a_backup_is_copied_to_another_place_and_read_back(
    target: Database, tmp_path: Path
) -> None:
    url = f"file://{tmp_path}/away"
    made = back_up(target, tmp_path / "backups", changed(POLICY, backup={"copy": url}))
    assert made.copied_to == f"{url}/{made.path.name}"
    away = tmp_path / "away" / made.path.name
    copied = {str(path.relative_to(away)): path.read_bytes() for path in files_of(away)}
    assert copied == {
        str(path.relative_to(made.path)): path.read_bytes() for path in files_of(made.path)
    }


def test_a_copy_that_comes_back_different_is_found(
    target: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = fsspec.filesystem("memory")
    put = type(storage).put_file

    def put_with_a_flipped_byte(self: Any, source: str, there: str, **options: Any) -> None:
        put(self, source, there, **options)
        if there.endswith("toc.dat"):
            data = storage.cat_file(there)
            storage.pipe_file(there, data[:-1] + bytes([data[-1] ^ 1]))

    monkeypatch.setattr(type(storage), "put_file", put_with_a_flipped_byte)
    policy = changed(POLICY, backup={"copy": "memory://away", "kept": 1})
    earlier = back_up(target, tmp_path)
    with pytest.raises(ToolError, match=r"differs from what was sent: archive/toc\.dat\."):
        back_up(target, tmp_path, policy)
    assert still_whole(earlier)


def test_credentials_of_another_place_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    url = "nosuch://somebody:hunter22@store/shop?key=abcdef"
    with pytest.raises(ToolError) as caught:
        files.copy(tmp_path, {"file": "0"}, url)
    assert "nosuch://store/shop" in str(caught.value)
    assert not {"hunter22", "somebody", "abcdef"} & set(re.findall(r"\w+", str(caught.value)))
    assert redact("hunter22 key=abcdef") == "*** ***"


def test_the_wal_is_marked_for_a_recovery(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    made = back_up(target, tmp_path, changed(POLICY, backup={"restore_point": True}))
    assert manifest(made)["restore_point"] == made.restore_point
    sql = "SELECT '{}' < '{}'::pg_lsn AND '{}'::pg_lsn <= pg_current_wal_insert_lsn()"
    assert connection.value(sql.format(made.lsn, made.restore_point, made.restore_point))


def test_a_restore_point_that_cannot_be_made_is_said_before_the_dump(
    reader: Database, tmp_path: Path
) -> None:
    with pytest.raises(GateError, match="cannot make one here"):
        back_up(reader, tmp_path, changed(POLICY, backup={"restore_point": True}))
    assert list(tmp_path.iterdir()) == []
