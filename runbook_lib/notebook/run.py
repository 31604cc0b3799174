"""Run the phases one after the other with papermill; each executed notebook is evidence."""

import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TextIO

from runbook_lib.config.environments import find_root
from runbook_lib.errors import GateError, RunbookError, StoppedError
from runbook_lib.evidence.requests import Requests
from runbook_lib.evidence.run import PHASES, Phase, Run
from runbook_lib.formatting import duration
from runbook_lib.notebook import page
from runbook_lib.notebook.acts import one_writer
from runbook_lib.notebook.copies import notebooks
from runbook_lib.notebook.kernels import SocketKernelManager, manager_options
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import Table

_ONLY_WITH_STEPS = {"backup", "rehearsal", "migrate", "index_timing"}
_ONCE = {"brief", "backup", "rehearsal"}
_ALONE = 20  # files; so many have a notebook each


@one_writer
def run_phases(run: Run) -> Table:
    """Execute the notebook of every phase that is still to do; stop at the first that fails.

    Prechecks that fail stop it only behind the rehearsal, so that one run finds all there is. A
    phase that this run passed before is not repeated, unless it looks at what changes. Raises
    GateError with what failed and where the evidence is, and StoppedError where somebody asked for
    a stop.
    """
    rows: list[dict[str, object]] = []
    held: GateError | None = None
    requests = Requests(run.directory.path, run.journal.emit)
    total = len(PHASES) - 1 + len(migrations(run))
    # Elsewhere is seen how the phase stands that a kernel of its own works on.
    with Progress("Release", total, keep=lambda _: None) as progress:
        for phase in PHASES:
            why = _skipped(run, phase)
            if why:
                rows.append({"phase": phase.title, "status": why, "took": "", "notebook": ""})
                continue
            for parameters, name in _executions(run, phase):
                requests.wait(name)
                progress.at(name)
                begin = time.perf_counter()
                path = run.directory.path / f"{name}.ipynb"
                try:
                    _execute(run, phase, parameters, path)
                except GateError as error:
                    # Backup and rehearsal change nothing: they go on, to find the rest as well.
                    if phase.name != "prechecks" or not run.pending() or not run.looked():
                        raise _both(held, error) from None
                    held = error
                took = duration(time.perf_counter() - begin)
                status = "open" if _left(run, phase) else "pass"
                rows.append(
                    {"phase": phase.title, "status": status, "took": took, "notebook": path.name}
                )
                _say(f"{name:<60} {status:<6} {took:>8}")
                progress.advance()
            if held is not None and phase.name == "rehearsal":
                raise held
    run.directory.seal()
    evidence = run.directory.path.relative_to(run.root)
    left = _left(run, PHASES[-1])
    said = f"Applied, sign-off open: {left}" if left else "The release went through every phase"
    _say(said)
    return Table(f"{said}; the evidence is in {evidence}", rows)


def _say(line: str) -> None:
    """Print how a notebook ended for whoever waits at a terminal; a page has a card."""
    if not page.at_screen():
        print(line, flush=True)


def _left(run: Run, phase: Phase) -> str:
    """Say what of the sign-off waits for people, empty where nothing does, or in other phases."""
    found = run.recorded(phase.name) if phase.name == "signoff" else None
    return str(found["left"]) if found and found["status"] == "open" else ""


def _both(first: GateError | None, second: GateError) -> GateError:
    if first is None:
        return second
    return GateError(f"{first.message} {second.message}", remedy=second.remedy)


def _skipped(run: Run, phase: Phase) -> str:
    if phase.name in _ONLY_WITH_STEPS and not run.plan.steps:
        return "not needed: nothing was pending"
    if phase.name in _ONCE and run.passed(phase.name):
        return "passed before in this run"
    if phase.name in {"prechecks", "migrate"} and not run.pending() and run.plan.steps:
        return "passed before in this run"
    return ""


def _executions(run: Run, phase: Phase) -> list[tuple[dict[str, str], str]]:
    """Return parameters and name of each execution of the phase's notebook."""
    return migrations(run) if phase.name == "migrate" else [({}, phase.notebook)]


def migrations(run: Run) -> list[tuple[dict[str, str], str]]:
    """Return the same of the steps that are still to do: one a notebook, or shares of many."""
    pending = run.pending()
    if len(pending) <= _ALONE:
        return [({"step": step.name}, run.step_record(step.name)) for step in pending]
    most = run.policy.notebooks.files
    shared = [pending[at : at + most] for at in range(0, len(pending), most)]
    ends = [(part[0].name, part[-1].name) for part in shared]
    return [({"step": x, "until": y}, run.shared_notebook(x, y)) for x, y in ends]


def execute_release(env: str, release: str, output: Path, told: TextIO) -> None:
    """Execute run.ipynb as papermill does, and tell how each phase ended when it did.

    Raises RunbookError with what stopped it.
    """
    try:
        _papermill().execute_notebook(
            notebooks(find_root()) / "run.ipynb",
            output,
            parameters={"env": env, "release": release},
            cwd=Path.cwd(),
            progress_bar=False,
            stdout_file=told,
            kernel_manager_class=f"{SocketKernelManager.__module__}.{SocketKernelManager.__name__}",
        )
    except _papermill().PapermillExecutionError as error:
        raise RunbookError(f"{error.evalue}") from None


def _papermill() -> ModuleType:
    # jsonschema would build the grammar of an optional format check, two seconds of work at
    # import, and the schema of a notebook has no such format: this makes it go without.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import papermill  # noqa: PLC0415

    module: ModuleType = papermill
    return module


def _execute(run: Run, phase: Phase, parameters: dict[str, str], output: Path) -> None:
    papermill = _papermill()
    from nbclient.exceptions import DeadKernelError  # noqa: PLC0415

    source = notebooks(run.root) / f"{phase.notebook}.ipynb"
    try:
        papermill.execute_notebook(
            source,
            output,
            parameters={"env": run.environment.name, "release": run.given, **parameters},
            cwd=Path.cwd(),
            progress_bar=False,
            **manager_options(),
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == StoppedError.__name__:
            raise StoppedError(f"{error.evalue}") from None
        raise _stopped(run, phase, output, f"{error.evalue}") from None
    except DeadKernelError:
        said = "its kernel died; the server knows how far it got."
        raise _stopped(run, phase, output, said) from None
    finally:
        if output.is_file():
            run.directory.scrub(output)


def _stopped(run: Run, phase: Phase, output: Path, said: str) -> GateError:
    evidence = output.relative_to(run.root)
    remedy = f"The evidence is in {evidence}. Mend it and run again: the run continues from there."
    return GateError(f"{phase.title} stopped: {said}", remedy=remedy)
