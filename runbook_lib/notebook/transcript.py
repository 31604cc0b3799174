"""Keep what a page at a screen executed and showed, as a notebook among the run's evidence.

The kernel hears what it tells the page, and writes it with each cell: whether the page is ever
saved, and by which browser, does not matter. What papermill executes, papermill keeps.
"""

from base64 import b64encode
from collections.abc import Mapping
from threading import RLock
from typing import Any

import nbformat
from IPython import get_ipython
from nbformat.v4 import new_code_cell, new_notebook, output_from_msg

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.directory import RunDirectory
from runbook_lib.evidence.run import PHASES, ROLLBACK, Run
from runbook_lib.notebook import page

_WIDGET = "application/vnd.jupyter.widget-view+json"  # without its kernel it shows nothing
_OUTPUTS = {"display_data", "execute_result", "stream", "error"}
_NOTEBOOKS = {phase.name: phase.notebook for phase in (*PHASES, ROLLBACK)}


class Transcript:
    """Hear the messages of one kernel, and keep those of the run that is open in it."""

    def __init__(self) -> None:
        self._lock = RLock()  # streams are sent by a thread of their own
        self._cells: dict[str, Any] = {}  # by the id of the request that executed them
        self._shown: dict[str, Any] = {}  # outputs that may be updated, by their display id
        self._directory: RunDirectory | None = None
        self._name = ""
        self._seals = False
        self._failure: EvidenceError | None = None

    def keep(self, run: Run) -> None:
        """Keep what follows with this run, and what was executed before it in this kernel.

        A run that is final has its transcripts already, unless it is rolled back.
        """
        final = run.ended and run.phase != ROLLBACK.name
        if not page.at_screen() or final or run.phase not in _NOTEBOOKS:
            self._directory = None
            return
        with self._lock:
            if self._directory != run.directory:
                self._directory, self._name = run.directory, _free_name(run)
                self._cells = _executed_before()
                self._shown.clear()

    def seal(self, directory: RunDirectory) -> None:
        """Write the checksums of the evidence again once the cell that sealed it has ended."""
        self._seals = directory == self._directory

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take note of one message to the page, secrets hidden in it already."""
        kind, content = message["msg_type"], message["content"]
        asked = message["parent_header"].get("msg_id", "")
        with self._lock:
            if self._directory is None:
                return
            if kind == "execute_input":
                self._cells[asked] = _cell(content["code"], content["execution_count"])
            elif kind in _OUTPUTS:
                self._show(asked, message)
            elif kind == "update_display_data":
                self._update(content)
            elif kind == "clear_output":
                self._cell_of(asked).outputs.clear()
            elif kind != "status" or content["execution_state"] != "idle":
                return
            if kind in {"execute_input", "status"}:
                self._write(self._directory)

    def _cell_of(self, asked: str) -> Any:
        """Return the cell of a request; what a button shows belongs to the last one."""
        return self._cells.get(asked) or list(self._cells.values())[-1]

    def _show(self, asked: str, message: Mapping[str, Any]) -> None:
        output = output_from_msg({**message, "content": _plain(message["content"])})  # type: ignore[no-untyped-call]
        outputs = self._cell_of(asked).outputs
        if output.output_type == "stream" and outputs and outputs[-1].get("name") == output.name:
            outputs[-1].text += output.text
            return
        if _WIDGET in output.get("data", {}):
            return
        outputs.append(output)
        if shown := message["content"].get("transient", {}).get("display_id"):
            self._shown[shown] = output

    def _update(self, content: Mapping[str, Any]) -> None:
        shown = self._shown.get(content.get("transient", {}).get("display_id", ""))
        if shown is not None:
            shown.data = nbformat.from_dict(_plain(content)["data"])  # type: ignore[no-untyped-call]

    def _write(self, directory: RunDirectory) -> None:
        notebook = new_notebook(cells=list(self._cells.values()))  # type: ignore[no-untyped-call]
        notebook.metadata["language_info"] = {"name": "python"}
        text = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
        self._failure = None
        try:
            directory.write_text(f"{self._name}.ipynb", f"{text}\n")
            if self._seals:
                directory.seal()
        except EvidenceError as error:
            self._failure = error  # nobody hears it here, between two messages

    def check(self) -> None:
        """Raise EvidenceError where what the page showed last could not be written."""
        if self._failure is not None:
            raise self._failure


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message shows as a notebook keeps it: pictures as base64."""
    data = {
        kind: b64encode(shown).decode() if isinstance(shown, bytes) else shown
        for kind, shown in content.get("data", {}).items()
    }
    return {**content, "data": data} if data else dict(content)


def _free_name(run: Run) -> str:
    """Return the name of the phase's notebook, with a number where an earlier kernel has it."""
    name = _NOTEBOOKS[run.phase]
    taken = {path.stem for path in run.directory.path.glob("*.ipynb")}
    numbered = (f"{name}_kernel_{number}" for number in range(2, len(taken) + 3))
    return next(item for item in (name, *numbered) if item not in taken)


def _executed_before() -> dict[str, Any]:
    """Return the cells that this kernel executed before it knew the run, the present one last."""
    sources = page.executed_cells()[1:]
    cells: dict[str, Any] = {
        f"before {number}": _cell(source, number) for number, source in enumerate(sources, 1)
    }
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is not None and cells:
        _, present = cells.popitem()
        cells[kernel.get_parent("shell")["header"]["msg_id"]] = present
    return cells


def _cell(source: str, number: int) -> Any:
    return new_code_cell(source, execution_count=number)  # type: ignore[no-untyped-call]


TRANSCRIPT = Transcript()  # of this process, which is one kernel
