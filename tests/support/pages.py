"""A page with a kernel behind it, as JupyterLab has it, without a browser: cell by cell."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

PATIENCE = 120.0  # seconds for one cell


@dataclass(frozen=True)
class Answer:
    """What a cell said: its outputs as text, and the error it ended with, empty for none.

    ``trace`` is what the page shows of that error.
    """

    shown: str
    error: str
    trace: str = ""


class Page:
    """Run cells of a saved notebook whose kernel knows where it lies."""

    def __init__(
        self, path: Path, client: BlockingKernelClient, interrupt: Callable[[], None]
    ) -> None:
        self.path = path
        self._client = client
        self.interrupt = interrupt  # as the kernel menu does; another thread may

    def run(self, code: str) -> Answer:
        """Run one cell, whatever comes of it."""
        said: list[str] = []
        errors: list[str] = []
        traces: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] in {"display_data", "execute_result", "update_display_data"}:
                said.append(content["data"].get("text/plain", ""))
            elif message["msg_type"] == "stream":
                said.append(content["text"])
            elif message["msg_type"] == "error":
                errors.append(f"{content['ename']}: {content['evalue']}")
                traces.extend(content["traceback"])

        self._client.execute_interactive(code, output_hook=hear, timeout=PATIENCE)
        return Answer("\n".join(said), "".join(errors), "\n".join(traces))

    def save(self, parameters: str) -> None:
        """Save the page with these in its cell of parameters."""
        cell = nbformat.v4.new_code_cell(parameters)  # type: ignore[no-untyped-call]
        cell.metadata["tags"] = ["parameters"]
        notebook = nbformat.v4.new_notebook(cells=[cell])  # type: ignore[no-untyped-call]
        nbformat.write(notebook, self.path)  # type: ignore[no-untyped-call]


@contextmanager
def opened(path: Path) -> Iterator[Page]:
    """Open a page of a project: the kernel works where the page lies, and is told its name."""
    env = {**os.environ, "JPY_SESSION_NAME": str(path)}
    manager, client = start_new_kernel(cwd=str(path.parent), env=env)
    try:
        yield Page(path, client, manager.interrupt_kernel)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
