"""Hold each act to what its page shows: the run that was opened last, its files and its server."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from runbook_lib.config.environments import Environment, acting, read_environment
from runbook_lib.errors import GateError
from runbook_lib.evidence.plans import read_plan
from runbook_lib.evidence.run import Run, phase_named
from runbook_lib.evidence.writer import writing
from runbook_lib.notebook import page
from runbook_lib.notebook.progress import seen_elsewhere
from runbook_lib.notebook.transcript import TRANSCRIPT
from runbook_lib.postgres import catalog
from runbook_lib.release.changes import changes
from runbook_lib.release.model import Release
from runbook_lib.release.plan import Plan
from runbook_lib.release.reader import read_release

_AGAIN = "Run the cell of the gate again, and look at what it shows."
_P = ParamSpec("_P")
_T = TypeVar("_T")
_opened: list[Run] = []  # in this kernel: the one whose gate opened last, none where it refused


def close_all() -> None:
    """Void every run that this kernel opened before: the gate is asked anew."""
    _opened.clear()


def open_for_acts(run: Run) -> None:
    """Let this run, and no other, be worked on from this kernel."""
    _opened[:] = [run]


def one_writer(act: Callable[Concatenate[Run, _P], _T]) -> Callable[Concatenate[Run, _P], _T]:
    """Let an act write into the directory of its run alone; it raises GateError with who does."""

    @wraps(act)
    def alone(run: Run, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        directory = run.directory.path
        with writing(directory, phase_named(run.phase)), seen_elsewhere(directory):
            return act(run, *args, **kwargs)

    return alone


def check_act(run: Run, phase: str) -> None:
    """Refuse an act whose page no longer shows what it would work on; raises GateError.

    The run has to be open for the act's ``phase``: each has a gate of its own.

    Looked at are the kernel's last gate, the parameters as they were executed and as they are
    saved, then the files, the settings, the plan and the server as they are now.
    """
    if run.phase != phase:
        message = f"The run is open for the phase '{run.phase}', and this belongs to '{phase}'"
        raise GateError(f"{message}; nothing was done.", remedy="Open the notebook of that phase.")
    if page.names():
        _check_page(run)
        TRANSCRIPT.check()
    _check_open(run)
    _check_unchanged(run)


def _check_page(run: Run) -> None:
    if not _opened:
        raise GateError("The gate of this page refused; nothing was done.", remedy=_AGAIN)
    if _opened[0] is not run:
        now, then = (f"'{item.environment.name}'" for item in (_opened[0], run))
        message = f"Since this run of {then} was opened, the gate was asked anew, for {now}"
        raise GateError(f"{message}; nothing was done.", remedy=_AGAIN)
    _check_parameters(run, page.names(), "executed, and the gate was not asked since")
    _check_parameters(run, page.saved_parameters(), "saved in this page, and not executed")


def _check_parameters(run: Run, said: Mapping[str, Any], where: str) -> None:
    for name, opened in (("env", run.environment.name), ("release", run.given)):
        if said.get(name, opened) != opened:
            message = f'{name} = "{said[name]}" was {where}: the run is open for "{opened}"'
            remedy = f"Run the cells from the parameters on, or set {name} back."
            raise GateError(f"{message}; nothing was done.", remedy=remedy)


def _check_open(run: Run) -> None:
    if run.ended and run.phase != "rollback":
        raise GateError(f"{run.ended}; nothing was done.", remedy="Open a new run: 00_brief.ipynb.")


def _check_unchanged(run: Run) -> None:
    with run.database.runner_session() as connection:
        target = catalog.identify(connection, run.environment)
    if not target.same_database(run.plan.target):
        message = f"{target.dbname} is on another server than the one this run was opened on"
        raise GateError(f"{message}; nothing was done.", remedy=_AGAIN)
    if read_plan(run.directory).digest != run.plan.digest:
        message = "Another page has put a new plan in the place of the one that is shown here"
        raise GateError(f"{message}; nothing was done.", remedy=_AGAIN)
    environment = read_environment(run.root, run.environment.name)
    shown = _bound(run.plan, run.environment, run.release)
    now = _bound(run.plan, environment, read_release(run.release.root))
    if found := changes(shown, now, "shown here"):
        raise GateError(f"{'; '.join(found)}; nothing was done.", remedy=_AGAIN)


def _bound(plan: Plan, environment: Environment, release: Release) -> Plan:
    """Return a plan that binds what an environment and a release say."""
    return replace(plan, settings=acting(environment), release_files=release.files)


def check_confirmed(run: Run, confirm: str) -> None:
    """Refuse what was confirmed for another database than the run's; raises GateError."""
    if confirm != run.target.dbname:
        message = f"This was confirmed for '{confirm}', and the database is {run.target.dbname}"
        remedy = f"Type the name of the database that is meant, {run.target.dbname}."
        raise GateError(f"{message}; nothing was done.", remedy=remedy)
