"""Take a release with defects through review, backup and rehearsal, as one run does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook_lib import check_target, open_run, rehearse, review_release, take_backup
from runbook_lib.config.policies import Policy
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.run import Run
from runbook_lib.findings import Finding
from runbook_lib.migrate.execute import Applier
from runbook_lib.postgres.connection import Connection, Database
from runbook_lib.release.reader import read_release

RELEASES = Path(__file__).parents[1] / "data" / "releases"
_AFTER = "-- after\n"  # in setup.sql: what comes when the applied files are there
ENVIRONMENT = """
[test]
dbname = "{dbname}"
url_variable = "RUNBOOK_TEST_URL"
"""


@dataclass(frozen=True)
class Project:
    """Hold a project directory whose only environment is the test's database."""

    root: Path
    target: Database

    def run(self, release: Path, phase: str) -> Run:
        """Open the run of a release for a phase."""
        run: Run = open_run("test", str(release), phase)
        return run

    def reviewed(self, release: Path) -> tuple[Finding, ...]:
        """Review; return what is found before any backup."""
        run = self.run(release, "prechecks")
        review_release(run)
        found = run.reviewed()
        assert found is not None
        return found

    def review(self, release: Path) -> dict[str, Any]:
        """Review, back up and rehearse; return the verdict with every finding."""
        run = self.run(release, "prechecks")
        review_release(run)
        check_target(run)
        take_backup(self.run(release, "backup"))
        run = self.run(release, "rehearsal")
        rehearse(run)
        verdict = run.verdict()
        assert verdict is not None
        return verdict


@contextmanager
def project(root: Path, conninfo: dict[str, str], shared: Path | None = None) -> Iterator[Project]:
    """Make a project in ``root`` and work there; its clusters are made below ``shared``."""
    if shared is not None:
        (shared / ".runbook").mkdir(exist_ok=True)
        (root / ".runbook").symlink_to(shared / ".runbook")
    text = ENVIRONMENT.format(dbname=conninfo["dbname"])
    (root / "environments.toml").write_text(text, encoding="utf-8")
    url = " ".join(f"{key}='{value}'" for key, value in conninfo.items())
    before, os.environ["RUNBOOK_TEST_URL"] = Path.cwd(), url
    os.chdir(root)
    try:
        yield Project(root, Database(conninfo))
    finally:
        os.chdir(before)
        del os.environ["RUNBOOK_TEST_URL"]


@contextmanager
def migrating_role(connection: Connection, conninfo: dict[str, str]) -> Iterator[str]:
    """Hold a role that owns the database, logs in and is no superuser; drop what it owns."""
    name = conninfo["dbname"]
    role = f"mover_{name}"
    connection.execute(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}")
    connection.execute(f"ALTER DATABASE {name} OWNER TO {role}")
    try:
        yield role
    finally:
        connection.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
        connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def prepare(folder: Path, target: Database, connection: Connection, journal: Path) -> None:
    """Bring the target to where the folder's release finds it."""
    first, _, then = (folder / "setup.sql").read_text(encoding="utf-8").partition(_AFTER)
    connection.execute(first)
    if (folder / "applied").is_dir():
        applier = Applier(target, Policy(), Journal(journal).emit)
        for migration in read_release(folder / "applied").migrations:
            applier.migrate(migration)
    if then:
        connection.execute(then)


def line_of(finding: dict[str, Any]) -> str:
    """Write a finding as the folders' ``expected.txt`` do."""
    words = [finding["phase"], finding["severity"], finding["rule"]]
    words += [_short(f"{finding['path']}:{finding['line']}"), finding["sqlstate"] or "-"]
    if finding["follows"]:
        words.append(f"follows {_short(finding['follows'])}")
    return " ".join(words)


def _short(place: str) -> str:
    return place.removeprefix("release/")
