"""A revert that is killed or fails at any of its statements leaves a journal that names them all,
and a record of how it ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runbook_lib import apply_step, check_target, review_release, roll_back, take_backup
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.journal import SENDING, SENT, Event, Journal
from runbook_lib.evidence.run import Run
from runbook_lib.postgres import ledger
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.rollback.attempt import FAILURE
from tests.support.defects import Project, project
from tests.support.faults.reverter import AFTER, BEFORE
from tests.support.projects import REPOSITORY
from tests.support.releases import write_release
from tests.support.sessions import until

SHOP = """CREATE TABLE users (id int PRIMARY KEY, name text);
INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 20) g;
CREATE VIEW names AS SELECT name FROM users;
"""
RELEASE = """CREATE TABLE organizations (id int PRIMARY KEY, owner int REFERENCES users);
CREATE INDEX users_name ON users (name);
ALTER TABLE users ADD email text;
COMMENT ON TABLE users IS 'people';
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
CREATE VIEW a AS SELECT id FROM users;
CREATE VIEW b AS SELECT id FROM a;
"""
# Of the revert, as the first test sees them. It tries all drops at once, which the order of the
# views does not allow, and then each alone.
STATEMENTS, AT_ONCE = 12, 4


@pytest.fixture
def applied(database: dict[str, str], tmp_path: Path) -> Iterator[Project]:
    """Make a shop and apply the release to it as one run."""
    with Database(database).connect() as connection:
        connection.execute(SHOP)
    release = write_release(tmp_path / "release", {"0001_a": RELEASE})
    with project(tmp_path, database) as made:
        run = made.run(release, "prechecks")
        review_release(run)
        check_target(run)
        take_backup(made.run(release, "backup"))
        apply_step(made.run(release, "migrate"))
        yield made


def revert(made: Project) -> Run:
    run = made.run(made.root / "release", "rollback")
    roll_back(run, run.target.dbname, "revert")
    return run


def killed(made: Project, number: int, when: str) -> None:
    """Revert in a process that kills itself at its statement of this number."""
    words = [str(made.root / "release"), str(number), when]
    argv = [sys.executable, "-m", "tests.support.faults.reverter", *words]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        argv, cwd=made.root, env=env, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    with made.target.connect() as connection:
        until(lambda: not ledger.at_work(connection))


def sent(run: Run) -> list[str]:
    """Return the SQL that the journal says was sent since the last try of a revert began."""
    lines = list(run.journal.lines())
    last = max(at for at, line in enumerate(lines) if line["event"] == "way begun")
    return [line["sql"] for line in lines[last:] if line["event"] == SENDING]


def failure(run: Run) -> dict[str, Any]:
    found = run.directory.read(FAILURE)
    assert found is not None
    assert found["status"] == "failed"
    return found


def there(made: Project) -> bool:
    """Tell whether the release's table is on the target."""
    with made.target.connect() as connection:
        return bool(connection.value("SELECT to_regclass('organizations') IS NOT NULL"))


def test_each_statement_of_a_revert_is_in_the_journal_with_its_end(applied: Project) -> None:
    run = revert(applied)
    statements = sent(run)
    assert len(statements) == STATEMENTS, statements
    assert statements[AT_ONCE - 1].count(";") > 3
    assert statements[0] == "DROP INDEX CONCURRENTLY IF EXISTS public.users_name"
    for words in ("LOCK TABLE", "rolled_back_at", "DROP TABLE", "DROP COLUMN", "DROP ROUTINE"):
        assert any(words in sql for sql in statements), words
    assert any("COMMENT ON TABLE" in sql for sql in statements)
    mine = [line for line in run.journal.lines() if line["step"] == "rollback: revert"]
    ends = [line["outcome"] for line in mine if line["event"] == SENT]
    assert ends.index("failed") + 1 == AT_ONCE
    assert set(ends) == {"done", "failed"}
    assert run.directory.read(FAILURE) is None
    assert not there(applied)


@pytest.mark.parametrize(
    ("numbers", "when"),
    [
        pytest.param((2,), BEFORE, id="one, before"),
        pytest.param((6,), AFTER, id="one, after"),
        pytest.param(range(1, STATEMENTS + 1), BEFORE, id="each, before", marks=pytest.mark.slow),
        pytest.param(range(1, STATEMENTS + 1), AFTER, id="each, after", marks=pytest.mark.slow),
    ],
)
def test_a_revert_that_is_killed_at_a_statement_is_recorded_by_the_next_start(
    applied: Project, numbers: Sequence[int], when: str
) -> None:
    gone = 0  # the index, which an earlier try dropped apart
    for number in numbers:
        killed(applied, number - gone, when)
        run = applied.run(applied.root / "release", "rollback")  # the next start
        assert len(sent(run)) == number - gone
        found = failure(run)
        assert (found["way"], found["sent"]) == ("revert", number - gone - 1)
        assert "was cut off" in found["error"]
        assert not run.passed("rollback")
        assert there(applied)
        gone = gone or int(number > 1 or when == AFTER)
    revert(applied)
    assert not there(applied)


def test_a_revert_that_was_killed_behind_its_commit_is_recorded_as_done(
    applied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Run, "record", _cut_off)
        with pytest.raises(KeyboardInterrupt):  # as a kill between the COMMIT and the record
            revert(applied)
    run = applied.run(applied.root / "release", "rollback")
    assert run.passed("rollback")
    found = run.recorded("rollback")
    assert found is not None
    assert found["rollback"]["settled"] == "by the next start"
    assert run.directory.read(FAILURE) is None


def _cut_off(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def failing_at(number: int) -> Iterator[None]:
    """Let the server refuse what is sent instead of the statement of this number."""
    emit, execute = Journal.emit, Connection.execute
    seen = 0

    def counting(self: Journal, event: Event) -> None:
        nonlocal seen
        seen += event.name == SENDING
        emit(self, event)

    def refused(self: Connection, sql: str, parameters: Any = None) -> int:
        nonlocal seen
        if seen == number:
            seen += 1
            return execute(self, "SELECT 1 / 0")
        return execute(self, sql, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "emit", counting)
        patch.setattr(Connection, "execute", refused)
        yield


def test_a_revert_that_fails_at_any_statement_is_recorded_with_it(applied: Project) -> None:
    gone = 0
    for number in sorted({*range(1, STATEMENTS + 1)} - {AT_ONCE}):
        with failing_at(number - gone), pytest.raises(RunbookError, match="Division by") as caught:
            revert(applied)
        run = applied.run(applied.root / "release", "rollback")
        assert len(sent(run)) == number - gone
        found = failure(run)
        assert (found["way"], found["sqlstate"]) == ("revert", "22012")
        assert found["error"] == str(caught.value)
        last = [line for line in run.journal.lines() if line["event"] == SENT][-1]
        assert (last["outcome"], last["sqlstate"]) == ("failed", "22012")
        assert there(applied)
        gone = gone or int(number > 1)
    revert(applied)
    assert not there(applied)
