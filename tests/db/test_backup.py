"""A backup is whole, private, read back, and of one moment; or there is none."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook_lib import programs, shell
from runbook_lib.backup import still_whole, take_backup
from runbook_lib.database import Connection, Database
from runbook_lib.errors import ToolError
from runbook_lib.shell import Completed, Runner, StrPath
from tests.db.snapshots import SHOP, back_up, identified, state


class Interrupted(BaseException):
    """Stand for Ctrl-C in the kernel."""


def runner(name: str, act: Runner) -> Runner:
    """Return a runner that lets ``act`` stand for one program."""

    def run(argv: Sequence[StrPath], **options: Any) -> Completed:
        program = act if Path(argv[0]).name == name else shell.run
        return program(argv, **options)

    return run


@pytest.fixture(autouse=True)
def shop(connection: Connection) -> None:
    connection.execute(SHOP)


def test_a_backup_is_a_private_file_with_its_checksum(target: Database, tmp_path: Path) -> None:
    made = back_up(target, tmp_path / "backups")
    assert re.fullmatch(r"migration_backup_\d{8}_\d{6}\.dump", made.path.name)
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.path.parent.stat().st_mode & 0o777 == 0o700
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    assert made.size == made.path.stat().st_size
    assert [path.name for path in made.path.parent.iterdir()] == [made.path.name]


def test_a_backup_was_read_back(target: Database, tmp_path: Path) -> None:
    made = back_up(target, tmp_path)
    argv = shell.list_argv(programs.find_program("pg_restore"), made.path)
    listing = shell.run(argv).stdout.splitlines()
    assert made.entries == len([line for line in listing if line and not line.startswith(";")])
    assert made.entries > 5


def test_a_backup_knows_the_fingerprint_and_the_rows(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    made = back_up(target, tmp_path)
    assert (made.schema_fingerprint, made.rows) == state(connection)
    assert made.rows == {"public.users": 20, "public.orders": 50}


def test_what_is_written_while_the_dump_runs_is_in_neither_the_dump_nor_its_counts(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    def dump_while_somebody_writes(argv: Sequence[StrPath], **options: Any) -> Completed:
        connection.execute("INSERT INTO users VALUES (21, 'late')")
        return shell.run(argv, **options)

    run = runner("pg_dump", dump_while_somebody_writes)
    made = take_backup(target, identified(target), tmp_path, run)
    assert made.rows["public.users"] == 20
    sql = shell.run(
        [programs.find_program("pg_restore"), "-f", "-", "-a", "-t", "users", made.path]
    )
    assert "user 20" in sql.stdout
    assert "late" not in sql.stdout


@pytest.mark.parametrize("error", [Interrupted(), ToolError("pg_dump ended.")])
def test_an_interrupted_dump_leaves_no_file(
    target: Database, tmp_path: Path, error: BaseException
) -> None:
    def dump_half(argv: Sequence[StrPath], **options: Any) -> Completed:
        (file,) = [str(word) for word in argv if str(word).startswith("--file=")]
        Path(file.removeprefix("--file=")).write_bytes(b"PGDMP half")
        raise error

    with pytest.raises(type(error)):
        take_backup(target, identified(target), tmp_path, runner("pg_dump", dump_half))
    assert list(tmp_path.iterdir()) == []


def test_a_dump_that_was_cut_is_not_read_back(target: Database, tmp_path: Path) -> None:
    def cut(argv: Sequence[StrPath], **options: Any) -> Completed:
        done = shell.run(argv, **options)
        (file,) = [str(word) for word in argv if str(word).startswith("--file=")]
        path = Path(file.removeprefix("--file="))
        path.write_bytes(path.read_bytes()[:500])
        return done

    with pytest.raises(ToolError):
        take_backup(target, identified(target), tmp_path, runner("pg_dump", cut))
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_was_edited_moved_or_cut_is_not_whole(
    target: Database, tmp_path: Path
) -> None:
    made = back_up(target, tmp_path)
    assert still_whole(made)
    data = made.path.read_bytes()
    made.path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert not still_whole(made)
    made.path.unlink()
    assert not still_whole(made)


def test_an_earlier_backup_of_the_same_second_is_not_overwritten(
    target: Database, tmp_path: Path
) -> None:
    seconds = [datetime.now(UTC) + timedelta(seconds=number) for number in range(2)]
    earlier = [tmp_path / f"migration_backup_{at:%Y%m%d_%H%M%S}.dump" for at in seconds]
    for path in earlier:
        path.write_text("earlier")
    made = back_up(target, tmp_path)
    assert made.path not in earlier
    assert [path.read_text() for path in earlier] == ["earlier", "earlier"]
