"""Rehearse on a server of a test's own: a run of some migrations, and the world it is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook_lib.config.environments import Environment
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.records import Backup
from runbook_lib.evidence.run import Run
from runbook_lib.evidence.sender import Sender
from runbook_lib.postgres.catalog import identify
from runbook_lib.postgres.connection import Database
from runbook_lib.rehearsal.world import World, open_world
from runbook_lib.release.model import Migration, Release
from runbook_lib.release.plan import Order, make_plan
from tests.support.snapshots import POLICY, back_up


def run_of(
    target: Database, root: Path, journal: Journal, *migrations: Migration, server: str = ""
) -> Run:
    """Return a run of the migrations; ``server`` is the variable that names where to rehearse."""
    environment = Environment(
        "test", target.dbname, embedded=False, policy=POLICY, rehearsal_url_variable=server
    )
    release = Release("test", "Test", root, migrations, {})
    with target.connect() as connection:
        identity = identify(connection, environment)
    ordered = Order(tuple(item.name for item in migrations), (), {})
    planned = make_plan(
        release, identity, frozenset(), {}, ordered, "", demo_rows=False, settings={}
    )
    return Run(
        root=root,
        environment=environment,
        release=release,
        database=target,
        target=identity,
        plan=planned,
        directory=RunDirectory(root),
        journal=journal,
        phase="rehearsal",
        given="",
    )


def backup_of(target: Database, root: Path) -> Backup:
    """Back a target up as its superuser."""
    superuser = Database({**target.parameters, "user": "postgres"})
    return back_up(superuser, root / "backups" / target.dbname)


@contextmanager
def rehearsed(
    target: Database, root: Path, journal: Journal, *migrations: Migration
) -> Iterator[World]:
    """Hold the world of a target whose backup was taken as its superuser."""
    run, backup = run_of(target, root, journal, *migrations), backup_of(target, root)
    with open_world(run, backup, Sender(journal.emit, "rehearsal: restore")) as world:
        yield world
