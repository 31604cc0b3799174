"""The ways a secret could get out, each through the code that writes or shows.

What each way hides is there when the redactor is taken away: the table tests itself.
"""

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
import pytest
from matplotlib.figure import Figure

from runbook_lib import redaction
from runbook_lib.backup import files
from runbook_lib.config.policies import Locks, Policy, Statements
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.journal import Event, Journal, to_all
from runbook_lib.evidence.schemas import typed
from runbook_lib.evidence.sender import Sender
from runbook_lib.findings import Finding, Severity
from runbook_lib.migrate.execute import Applier
from runbook_lib.notebook.charts import Chart
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import Table, findings_table
from runbook_lib.postgres import connection as connections
from runbook_lib.postgres import process, snapshot
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.postgres.snapshot import Snapshot
from runbook_lib.redaction import HIDDEN, keep_secret
from runbook_lib.rollback.hooks import run_commands
from runbook_lib.rollback.inverse import Undo
from runbook_lib.rollback.revert import undo_all
from tests.support.releases import migration_of

BOOKS: Any = nbformat  # which has no types
SECRET = "hunter-2-<of>-ours"
QUIET = Policy(Locks(timeout=0.5, tries=1, runner_wait=0.5), Statements(timeout=20.0))
Way = Callable[[Path, Database], str]


# --- hooks: their commands, what they say, and how they fail --------------------------------------


def hook(command: str, directory: Path, limit: float = 30) -> str:
    """Return all that is kept and shown of a command that is run, its lines in the journal too."""
    journal = Journal(directory / "journal.jsonl")
    with Progress("t", 1) as progress:
        run = Sender(to_all(journal.emit, progress.follow), "stop").runner(process.run)
        (done,) = run_commands([command], limit, directory, run)
        shown = repr(progress.card)
    text = json.dumps([shown, asdict(done)], ensure_ascii=False)
    return text + journal.path.read_text()


def python(code: str, *arguments: str) -> str:
    return shlex.join([sys.executable, "-c", code, *arguments])


SAY = "import os, sys; print('hook', *sys.argv[1:], file=sys.stderr, flush=True)"
PRINT = "import os, sys, time; print('hook', os.environ['APP_TOKEN'], flush=True); "


def hooked(command: str, *, variable: bool = False, kept: bool = False, limit: float = 30) -> Way:
    """Run a hook, with the secret in a variable or known from elsewhere."""

    def run(directory: Path, _: Database) -> str:
        if kept:
            keep_secret(SECRET)
        with pytest.MonkeyPatch.context() as patch:
            if variable:
                patch.setenv("APP_TOKEN", SECRET)
            return hook(command, directory, limit)

    return run


HOOKS: Mapping[str, Way] = {
    "hook: the variable it prints": hooked(python(PRINT), variable=True),
    "hook: a variable, and it fails": hooked(python(f"{PRINT} sys.exit(3)"), variable=True),
    "hook: a variable, and it hangs": hooked(
        python(f"{PRINT} time.sleep(9)"), variable=True, limit=0.5
    ),
    "hook: --password in its command": hooked(python(SAY, "--password", SECRET)),
    "hook: --token= in its command": hooked(python(SAY, f"--token={SECRET}")),
    "hook: NAME=value in its command": hooked(f"env X_SECRET={SECRET} true hook"),
    "hook: a key's header": hooked(python(SAY, "-H", f"X-Api-Key: {SECRET}")),
    "hook: --user in its command": hooked(python(SAY, "--user", f"me:{SECRET}")),
    "hook: --auth in its command": hooked(python(SAY, "--auth", SECRET)),
    "hook: a header in its command": hooked(python(SAY, f"Authorization: Bearer {SECRET}")),
    "hook: -u in its command": hooked(python(SAY, "-u", f"me:{SECRET}")),
    "hook: a URL in its command": hooked(python(SAY, f"redis://me:{SECRET}@db/1")),
    "hook: it repeats its argument": hooked(
        python("import sys; print('hook signed in with', sys.argv[2])", "--password", SECRET)
    ),
    "hook: JSON that it says": hooked(
        python("import os; print('hook', dict(password=os.environ['APP_TOKEN']))"), variable=True
    ),
    "hook: a word behind --password": hooked(python(SAY, "--password", "hunter-2")),
    "hook: its program is not there": hooked(f"/hook/{SECRET}", kept=True),
}


# --- statements: what the server says of them -----------------------------------------------------


def migrated(sql: str, before: str = "") -> Way:
    """Apply a file that fails; return its error, the journal, the record and the table of it."""

    def run(directory: Path, target: Database) -> str:
        with target.connect() as session:
            if before:
                session.execute(before)
        made = RunDirectory.create(directory, "dev", "shop")
        journal = Journal(made.path / "journal.jsonl")
        with pytest.raises(RunbookError) as caught:
            Applier(target, QUIET, journal.emit).migrate(migration_of(directory, sql))
        made.write("40_migrate", {"error": str(caught.value), "sql": sql})
        found = findings_table("t", [finding(f"{sql}: {caught.value}")])
        written = [path.read_text() for path in made.path.iterdir()]
        return "\n".join([str(caught.value), repr(found), *written])

    return run


def finding(cause: str) -> Finding:
    return Finding("rehearsal", "rule", Severity.ERROR, "a.sql", 1, cause, "stops", "mend it")


def reverted(directory: Path, target: Database) -> str:
    sql = f"ALTER ROLE nobody_here PASSWORD '{SECRET}'"
    with (
        target.connect() as session,
        pytest.raises(RunbookError) as caught,
        session.transaction(),
    ):
        undo_all(session, Connection.execute, [Undo("role", sql)])
    return str(caught.value)


def not_answering(directory: Path, target: Database) -> str:
    wrong = Database({**target.parameters, "dbname": SECRET, "password": SECRET})
    with pytest.raises(RunbookError) as caught:
        wrong.on(f"no {SECRET}").connect()
    return str(caught.value).partition("does not answer")[2]


def snapshot_of(directory: Path, target: Database) -> str:
    body = f"SELECT 'host=db password={SECRET}'::text"
    made = RunDirectory.create(directory, "dev", "shop")
    with target.connect() as session:
        session.execute(f"{FUNCTION} AS $x${body}$x$")
        found = snapshot.take_snapshot(session, settings=True)
    made.write("schema_before_1", asdict(found.recorded()))
    return (made.path / "schema_before_1.json").read_text()


FUNCTION = "CREATE OR REPLACE FUNCTION secretly() RETURNS text LANGUAGE sql"
UNIQUE = "CREATE TABLE people (email text PRIMARY KEY, age int NOT NULL)"
TWICE = f"INSERT INTO people VALUES ('{SECRET}', 1), ('{SECRET}', 2)"
ROW = f"INSERT INTO people SELECT '{SECRET}', NULL"
CHILD = f"{UNIQUE}; CREATE TABLE pets (owner text REFERENCES people)"
RANGES = "CREATE TABLE stays (who text, EXCLUDE USING btree (who WITH =))"
PARTED = "CREATE TABLE parted (who text) PARTITION BY LIST (who)"


def failing(sql: str, before: str) -> Way:
    """Return the error and the journal of a file that fails, not its own text."""

    def run(directory: Path, target: Database) -> str:
        with target.connect() as session:
            session.execute(before)
        journal = Journal(directory / "journal.jsonl")
        with pytest.raises(RunbookError) as caught:
            Applier(target, QUIET, journal.emit).migrate(migration_of(directory, sql))
        return str(caught.value) + journal.path.read_text()

    return run


STATEMENTS: Mapping[str, Way] = {
    "ALTER ROLE that fails": migrated(f"ALTER ROLE nobody_here PASSWORD '{SECRET}';"),
    "ALTER ROLE ENCRYPTED": migrated(f"ALTER USER nobody_here ENCRYPTED PASSWORD '{SECRET}';"),
    "ALTER ROLE in a block": migrated(
        f"DO $$ BEGIN EXECUTE 'ALTER ROLE nobody_here PASSWORD ''{SECRET}'''; END $$;"
    ),
    "a user mapping": migrated(
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere OPTIONS (password '{SECRET}');"
    ),
    "a subscription": migrated(
        f"ALTER SUBSCRIPTION nothing CONNECTION 'host=db password={SECRET}';"
    ),
    "dblink": migrated(f"SELECT dblink_connect('host=db password={SECRET}');"),
    "what a block raises": migrated(
        f"DO $$ BEGIN RAISE 'no way to postgresql://me:{SECRET}@db/d'; END $$;"
    ),
    "a row that is there": failing(TWICE, UNIQUE),
    "a row without a value": failing(ROW, UNIQUE),
    "a row that refers to none": failing(f"INSERT INTO pets VALUES ('{SECRET}')", CHILD),
    "a row that excludes": failing(f"INSERT INTO stays VALUES ('{SECRET}'), ('{SECRET}')", RANGES),
    "a row without a partition": failing(f"INSERT INTO parted VALUES ('{SECRET}')", PARTED),
    "a revert that fails": reverted,
    "a server that does not answer": not_answering,
    "the schema before a step": snapshot_of,
}


# --- records, notebooks and what is shown ---------------------------------------------------------


def recorded(write: Callable[[RunDirectory], object]) -> Way:
    def run(directory: Path, _: Database) -> str:
        keep_secret(SECRET)
        made = RunDirectory.create(directory, "dev", "shop")
        write(made)
        return "\n".join(path.read_text() for path in made.path.iterdir())

    return run


def shown(show: Callable[[], object]) -> Way:
    def run(_: Path, __: Database) -> str:
        keep_secret(SECRET)
        return str(show())

    return run


def notebook_with(part: str) -> Callable[[RunDirectory], object]:
    """Write a notebook as papermill does, with the secret in one part of it, and scrub it."""

    def write(made: RunDirectory) -> None:
        said = f"here {SECRET} it is"
        output = BOOKS.v4.new_output
        outputs = {
            "stream": output("stream", text=said),
            "result": output("execute_result", data={"text/html": f"<p>{said}</p>"}),
            "error": output("error", ename="E", evalue=said, traceback=[said]),
        }
        cell = BOOKS.v4.new_code_cell(said if part == "source" else "1")
        cell.outputs = [outputs[part]] if part in outputs else []
        book = BOOKS.v4.new_notebook(cells=[cell])
        if part == "widgets":
            state = {"state": {"m": {"model_name": "LabelModel", "state": {"value": said}}}}
            book.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
        if part == "parameters":
            book.metadata["papermill"] = {"parameters": {"note": said}, "exception": True}
        path = made.path / "40_migrate.ipynb"
        BOOKS.write(book, path)
        made.scrub(path)
        scrubbed = BOOKS.read(path, as_version=4)
        BOOKS.validate(scrubbed)
        assert keys(scrubbed) == keys(book)

    return write


def keys(value: object) -> object:
    """Return the structure of JSON: what is left without its texts."""
    if isinstance(value, dict):
        return {key: keys(item) for key, item in value.items()}
    return [keys(item) for item in value] if isinstance(value, list) else type(value)


def stopped() -> str:
    with pytest.raises(ValueError, match="x"), Progress("t", 1) as progress:
        progress.at(f"here {SECRET}")
        raise ValueError("x")
    return f"{progress.card!r} {progress.card._repr_html_()}"


def stderr_of_a_program(directory: Path, _: Database) -> str:
    code = "import os, sys; sys.exit('here ' + os.environ['PGPASSWORD'])"
    with pytest.raises(RunbookError) as caught:
        process.run([sys.executable, "-c", code], env={"PGPASSWORD": SECRET})
    return str(caught.value)


def copied_away(directory: Path, _: Database) -> str:
    (directory / "file").write_text("x")
    with pytest.raises(RunbookError) as caught:
        files.copy(directory, {"file": "0"}, f"nosuch://me:{SECRET}@store/shop?sig={SECRET}")
    return str(caught.value)


WRITTEN: Mapping[str, Way] = {
    "a record": recorded(lambda made: made.write("a", {"deep": [{"note": f"here {SECRET}"}]})),
    "a record of a dataclass": recorded(
        lambda made: made.write("a", {"findings": [finding(SECRET)]})
    ),
    "a report": recorded(lambda made: made.write_text("a.md", f"here {SECRET}")),
    "the journal": recorded(
        lambda made: Journal(made.path / "j").emit(Event("x", "s", {"error": f"here\n{SECRET}"}))
    ),
    **{
        f"a notebook's {part}": recorded(notebook_with(part))
        for part in ("stream", "result", "error", "source", "widgets", "parameters")
    },
    "a cell of a table": shown(lambda: Table("t", [{"a": f"here {SECRET}"}])),
    "the caption of a table": shown(lambda: Table(f"here {SECRET}", [])),
    "a table in HTML": shown(lambda: Table("t", [{"a": f"here {SECRET}"}])._repr_html_()),
    "the title of a chart": shown(lambda: Chart(f"here {SECRET}", Figure())),
    "a progress bar that stopped": shown(stopped),
    "what a program says": stderr_of_a_program,
    "a storage that fails": copied_away,
}

WAYS: Mapping[str, Way] = {**HOOKS, **STATEMENTS, **WRITTEN}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_secret_gets_out(way: Way, tmp_path: Path, target: Database) -> None:
    said = way(tmp_path, target)
    assert HIDDEN in said or "SHA-256" in said or "store/shop" in said
    assert SECRET not in said
    assert "hunter-2" not in said


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_without_the_redactor_it_would(
    way: Way, tmp_path: Path, target: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_CREDENTIALS", ())
    monkeypatch.setattr(redaction, "_ROWS", ())
    monkeypatch.setattr(redaction, "_forms_of", lambda _: ())
    monkeypatch.setattr(redaction, "_redacted_before", redaction._redacted_now)
    monkeypatch.setattr(connections, "without_values", str)
    monkeypatch.setattr(files, "shown_url", str)
    assert "hunter-2" in way(tmp_path, target)


def test_a_definition_that_was_hidden_is_known_again(target: Database) -> None:
    body = f"SELECT 'host=db password={SECRET}'::text"
    with target.connect() as session:
        session.execute(f"{FUNCTION} AS $x${body}$x$")
        before = snapshot.take_snapshot(session, settings=True)
        saved = json.loads(json.dumps(asdict(before.recorded())))
        assert SECRET not in str(saved)
        kept = typed(Snapshot, saved, Path("record"))
        assert snapshot.touched(kept.revealed(before), before) == frozenset()
        session.execute(
            "CREATE OR REPLACE FUNCTION secretly() RETURNS text LANGUAGE sql AS 'SELECT 1::text'"
        )
        now = snapshot.take_snapshot(session, settings=True)
        assert snapshot.touched(kept.revealed(now), now) != frozenset()
