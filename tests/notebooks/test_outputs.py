"""What a kernel sends passes the redactor: printed, returned, displayed, and in tracebacks."""

from typing import Any

import nbformat
from nbclient import NotebookClient

BOOKS: Any = nbformat  # which has no types
SECRET = "hunter-2-of-ours"
FIRST = """
from runbook_lib.notebook.show import hide_in_outputs
from runbook_lib.redaction import keep_secret
from ipywidgets import Label
keep_secret("hunter-2" + "-of-ours")
hide_in_outputs(str)
secret = "hunter-2" + "-of-ours"
"""
CELLS = (
    "print('here', secret)",
    "import sys; print('here', secret, file=sys.stderr)",
    "f'here {secret}'",
    "display(Label(f'here {secret}'))",
    "raise ValueError(f'here {secret}')",
)


def executed(*cells: str) -> str:
    """Execute cells in one kernel; return the notebook with all its outputs."""
    book = BOOKS.v4.new_notebook(cells=[BOOKS.v4.new_code_cell(cell) for cell in cells])
    done = NotebookClient(book, allow_errors=True, kernel_name="python3").execute()
    BOOKS.validate(done)
    return str(BOOKS.writes(done))


def test_no_output_of_a_kernel_holds_a_secret() -> None:
    text = executed(FIRST, *CELLS)
    assert text.count("here ***") == 7  # the label is in its state and its text, the error thrice
    assert SECRET not in text


def test_without_the_redactor_each_does() -> None:
    text = executed(FIRST.replace("hide_in_outputs(str)\n", ""), *CELLS)
    assert text.count(f"here {SECRET}") == 7
