"""A backup is whole, private, read back, and of one moment; or there is none."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from shutil import disk_usage
from threading import Timer
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from runbook_lib.backup import files
from runbook_lib.backup.archive import restore
from runbook_lib.backup.dump import Watch, still_whole
from runbook_lib.config.policies import Policy
from runbook_lib.errors import GateError, TargetError, ToolError
from runbook_lib.parser.identifiers import quote
from runbook_lib.postgres import process, snapshot, tools
from runbook_lib.postgres.connection import Connection, Database, SideSession
from runbook_lib.postgres.process import Completed, Runner, StrPath
from runbook_lib.postgres.queries import load
from tests.support.faults.proxy import Proxy
from tests.support.policies import changed
from tests.support.servers import scratch_database
from tests.support.sessions import holding, until
from tests.support.snapshots import POLICY, SHOP, back_up, identified, state

BRIEF = changed(POLICY, backup={"format": "custom", "compression": "gzip:9"})
PARALLEL = changed(POLICY, backup={"jobs": 3})


class Interrupted(BaseException):
    """Stand for Ctrl-C in the kernel."""


def runner(name: str, act: Runner) -> Runner:
    """Return a runner that lets ``act`` stand for one program."""

    def run(argv: Sequence[StrPath], **options: Any) -> Completed:
        program = act if Path(argv[0]).name == name else process.run
        return program(argv, **options)

    return run


def listening(heard: list[list[str]]) -> Runner:
    """Return a runner that keeps every argv."""

    def run(argv: Sequence[StrPath], **options: Any) -> Completed:
        heard.append([str(word) for word in argv])
        return process.run(argv, **options)

    return run


def written(argv: Sequence[StrPath]) -> Path:
    """Return where pg_dump writes."""
    (file,) = [str(word) for word in argv if str(word).startswith("--file=")]
    return Path(file.removeprefix("--file="))


@pytest.fixture(autouse=True)
def shop(connection: Connection) -> None:
    connection.execute(SHOP)


@pytest.fixture
def role(target: Database, connection: Connection) -> Iterator[Database]:
    """Return the target as a role sees it that may read the tables and nothing more."""
    name = f"reader_{target.dbname}"
    connection.execute(f"CREATE ROLE {quote(name)} LOGIN; GRANT pg_read_all_data TO {quote(name)}")
    yield Database({**target.parameters, "user": name})
    connection.execute(f"DROP OWNED BY {quote(name)}; DROP ROLE {quote(name)}")


def held_up(database: Database, table: str) -> Runner:
    """Return a runner under which pg_dump waits for a table until it was looked at once."""

    def run(argv: Sequence[StrPath], **options: Any) -> Completed:
        with database.connect() as holder:
            holder.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

            def look() -> None:
                options["watch"]()
                holder.rollback()

            return process.run(argv, **{**options, "watch": look, "timeout": 20})

    return runner("pg_dump", run)


@pytest.mark.parametrize("policy", [POLICY, PARALLEL, BRIEF], ids=["default", "parallel", "brief"])
def test_a_backup_is_read_back_and_restores_to_what_it_was_taken_of(
    target: Database, connection: Connection, tmp_path: Path, policy: Policy
) -> None:
    made = back_up(target, tmp_path, policy)
    argv = tools.list_argv(tools.find_program("pg_restore"), made.archive)
    listing = process.run(argv).stdout.splitlines()
    assert made.entries == len([line for line in listing if line and not line.startswith(";")]) > 5
    with scratch_database(target.maintenance(), f"{target.dbname}_again") as again:
        major = identified(target).major
        restore(again, major, made.archive, process.run, with_owners=True)
        with again.connect() as session:
            assert state(session) == state(connection)
            tables = snapshot.tables_by_size(session)
            contents = snapshot.read_contents(session, tables)
    assert {name: item.checksum for name, item in contents.items()} == made.checksums


def test_a_directory_is_dumped_by_several_sessions_with_the_best_compression(
    target: Database, tmp_path: Path
) -> None:
    heard = list[list[str]]()
    made = back_up(target, tmp_path, PARALLEL, listening(heard))
    (dump,) = [argv for argv in heard if argv[0].endswith("pg_dump")]
    assert {"--format=directory", "--compress=zstd:1", "--jobs=3"} <= set(dump)
    assert (made.format, made.compression, made.jobs) == ("directory", "zstd:1", 3)
    assert len(list(made.archive.glob("*.dat.zst"))) == 2


def test_the_form_of_the_brief_is_one_file_as_it_asks_for_it(
    target: Database, tmp_path: Path
) -> None:
    heard = list[list[str]]()
    made = back_up(target, tmp_path, BRIEF, listening(heard))
    (dump,) = [argv for argv in heard if argv[0].endswith("pg_dump")]
    assert {"--format=custom", "--compress=gzip:9"} <= set(dump)
    assert not any(word.startswith("--jobs") for word in dump)
    assert (made.archive.name, made.jobs) == ("archive.dump", 1)
    listing = process.run(tools.list_argv(tools.find_program("pg_restore"), made.archive)).stdout
    assert "Format: CUSTOM" in listing
    assert "Compression: gzip" in listing


def test_a_backup_knows_the_fingerprint_the_rows_and_the_schema(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    made = back_up(target, tmp_path)
    assert (made.schema_fingerprint, made.rows) == state(connection)
    assert made.rows == {"public.users": 20, "public.orders": 50}
    assert files.read_snapshot(made) == snapshot.take_snapshot(connection)


def test_a_schema_that_cannot_be_read_is_said(target: Database, tmp_path: Path) -> None:
    made = back_up(target, tmp_path)
    (made.path / files.SCHEMA_FILE).write_text("{")
    with pytest.raises(ToolError, match="schema that the backup recorded"):
        files.read_snapshot(made)


@pytest.mark.parametrize("policy", [POLICY, BRIEF], ids=["directory", "custom"])
def test_what_is_written_while_the_dump_runs_is_in_neither_the_dump_nor_what_is_recorded(
    target: Database, connection: Connection, tmp_path: Path, policy: Policy
) -> None:
    connection.execute("CREATE TABLE papers (id int, body json)")
    connection.execute("""INSERT INTO papers VALUES (1, '{"a": 1}')""")
    first = back_up(target, tmp_path, policy)

    def dump_while_somebody_writes(argv: Sequence[StrPath], **options: Any) -> Completed:
        connection.execute("INSERT INTO users VALUES (21, 'late')")
        connection.execute("""UPDATE papers SET body = '{"a": 2}'; CREATE TABLE later (id int)""")
        return process.run(argv, **options)

    made = back_up(target, tmp_path, policy, runner("pg_dump", dump_while_somebody_writes))
    assert (made.rows, made.checksums) == (first.rows, first.checksums)
    assert made.schema_fingerprint == first.schema_fingerprint
    sql = process.run(
        [tools.find_program("pg_restore"), "-f", "-", "-a", "-t", "users", made.archive]
    )
    assert "user 20" in sql.stdout
    assert "late" not in sql.stdout
    after = back_up(target, tmp_path, policy)
    assert after.checksums["public.papers"] != first.checksums["public.papers"]


@pytest.mark.parametrize("program", ["pg_dump", "pg_dumpall", "pg_restore"])
@pytest.mark.parametrize("policy", [POLICY, BRIEF], ids=["directory", "custom"])
def test_an_interrupted_backup_leaves_nothing(
    target: Database, tmp_path: Path, policy: Policy, program: str
) -> None:
    def interrupted(argv: Sequence[StrPath], **options: Any) -> Completed:
        process.run(argv, **options)
        raise Interrupted

    with pytest.raises(Interrupted):
        back_up(target, tmp_path, policy, runner(program, interrupted))
    assert list(tmp_path.iterdir()) == []


def test_a_dump_that_fails_leaves_nothing(
    target: Database, role: Database, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(f"REVOKE pg_read_all_data FROM {quote(role.parameters['user'])}")
    with pytest.raises(ToolError, match="permission denied for table"):
        back_up(role, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_said(target: Database, tmp_path: Path) -> None:
    def full(argv: Sequence[StrPath], **options: Any) -> Completed:
        raise OSError(28, "No space left on device")

    with pytest.raises(ToolError, match="cannot be written: No space left"):
        back_up(target, tmp_path, run=runner("pg_dump", full))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_stops_pg_dump_and_leaves_nothing(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    connection.execute("INSERT INTO users SELECT n, md5(n::text) FROM generate_series(21, 9999) n")

    def full(argv: Sequence[StrPath], **options: Any) -> Completed:
        words = ["--file=/dev/full" if str(word).startswith("--file=") else word for word in argv]
        return process.run(words, **options)

    with pytest.raises(ToolError, match=r"pg_dump ended .*: No space left on device"):
        back_up(target, tmp_path, BRIEF, runner("pg_dump", full))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_dump_whose_server_falls_silent_is_ended_on_both_sides(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    def silent(argv: Sequence[StrPath], **options: Any) -> Completed:
        with holding(target, "LOCK users"):
            Timer(1.0, lambda: proxy.fall_silent(drops=False)).start()
            return process.run(argv, **options)

    host, port = target.parameters["host"], target.parameters["port"]
    begin = time.monotonic()
    patient = changed(POLICY, locks={"timeout": 60.0}, statements={"reconnect_wait": 0.5})
    with Proxy(Path(host, f".s.PGSQL.{port}")) as proxy:
        soon = {"tcp_user_timeout": "1000", "connect_timeout": "2"}
        through = Database({**target.parameters, **proxy.way(), **soon})
        with pytest.raises(TargetError, match="no answer came within 1 s"):
            back_up(through, tmp_path, patient, runner("pg_dump", silent))
        assert time.monotonic() - begin < 15
        assert list(tmp_path.iterdir()) == []
        snapshots = "application_name = 'migration runbook' AND state = 'idle in transaction'"
        sql = f"SELECT count(*) = 0 FROM pg_stat_activity WHERE {snapshots}"
        until(lambda: connection.value(f"{sql} AND datname = current_database()"))


def cut_archive(path: Path) -> None:
    file = path / "toc.dat" if path.is_dir() else path
    file.write_bytes(file.read_bytes()[:500])


def lose_table(path: Path) -> None:
    next(path.glob("[0-9]*.dat*")).unlink()


def empty_table(path: Path) -> None:
    next(path.glob("[0-9]*.dat*")).write_bytes(b"")


@pytest.mark.parametrize(
    ("policy", "damage"),
    [(POLICY, cut_archive), (BRIEF, cut_archive), (POLICY, lose_table), (POLICY, empty_table)],
)
def test_a_dump_that_was_cut_is_not_read_back(
    target: Database, tmp_path: Path, policy: Policy, damage: Callable[[Path], None]
) -> None:
    def cut(argv: Sequence[StrPath], **options: Any) -> Completed:
        done = process.run(argv, **options)
        damage(written(argv))
        return done

    with pytest.raises(ToolError):
        back_up(target, tmp_path, policy, runner("pg_dump", cut))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_refused_before_the_dump(
    target: Database, tmp_path: Path
) -> None:
    heard = list[list[str]]()
    with pytest.raises(GateError, match=r"are free under .*; a backup needs .* half of"):
        back_up(target, tmp_path, changed(POLICY, health={"disk_free": 10**9}), listening(heard))
    assert not any("--file" in word for argv in heard for word in argv)
    assert list(tmp_path.iterdir()) == []


def test_half_of_the_tables_bytes_must_be_free_besides(
    target: Database, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute(
        "INSERT INTO users SELECT n, repeat('x', 900) FROM generate_series(21, 999) n"
    )
    free = POLICY.health.disk_free * 1024**2 + 450_000  # of the users' million bytes
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(GateError, match="half of the tables' bytes"):
        back_up(target, tmp_path)
    free += 200_000
    assert still_whole(back_up(target, tmp_path))


def test_a_disk_that_fills_up_stops_the_dump(
    target: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([disk_usage(tmp_path).free])  # before the dump; later there is nothing
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=next(free, 1024**2)))
    with pytest.raises(ToolError, match="The dump was stopped: 1 MB are left"):
        back_up(target, tmp_path, run=held_up(target, "orders"))
    assert list(tmp_path.iterdir()) == []


def test_a_dump_says_how_far_it_is_while_it_runs(target: Database, tmp_path: Path) -> None:
    said = list[str]()
    patient = changed(POLICY, locks={"timeout": 20.0})
    made = back_up(target, tmp_path, patient, held_up(target, "orders"), said.append)
    assert still_whole(made)
    assert said[0] == "0 B written, 0 of 2 tables"
    assert said[-1] == "reading the contents of 2 tables"


def test_the_tables_that_are_done_and_the_time_that_is_left_are_estimated(
    target: Database, connection: Connection, tmp_path: Path
) -> None:
    connection.execute(
        "CREATE TABLE big AS SELECT n, md5(n::text) FROM generate_series(1, 99999) n"
    )
    connection.execute("ANALYZE")
    rows = {row["relid"]: row["rows"] for row in connection.rows(load("dump_tables"))}
    said = list[str]()
    with closing(SideSession(target)) as side:
        watch = Watch(tmp_path / "archive.dump", side, rows, POLICY, said.append)
        for _ in range(2):
            with (
                psycopg.connect(make_conninfo("", **target.parameters)) as raw,
                raw.cursor() as cursor,
                cursor.copy("COPY big TO STDOUT") as copy,
            ):
                copy.read()  # the server is ahead by what the socket holds, and waits
                time.sleep(0.2)
                watch.look()
                for _ in copy:
                    pass
        watch.look()
    assert re.fullmatch(r"0 B written, 0 of 3 tables, about .*s left", said[0])
    assert re.fullmatch(r"0 B written, 1 of 3 tables, about .*s left", said[2])


def test_a_dump_goes_on_where_nobody_can_see_how_far_it_is(tmp_path: Path) -> None:
    said = list[str]()
    nowhere = SideSession(Database({"host": str(tmp_path), "dbname": "shop"}))
    Watch(tmp_path / "archive", nowhere, {1: 10.0}, POLICY, said.append).look()
    assert said == ["0 B written, 0 of 1 tables"]
