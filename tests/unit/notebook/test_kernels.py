"""What is said to the kernel of a phase goes where nobody else can read it."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from runbook_lib.notebook.kernels import manager_options

BOOKS: Any = nbformat  # which has no types
SOURCE = """
import json
from ipykernel.connect import get_connection_info
print(json.dumps(get_connection_info(unpack=True)["ip"]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")
def test_a_kernel_is_reached_in_a_directory_of_its_owner_alone(tmp_path: Path) -> None:
    spec = {"name": "python3", "display_name": "Python", "language": "python"}
    book = BOOKS.v4.new_notebook(
        cells=[BOOKS.v4.new_code_cell(SOURCE)], metadata={"kernelspec": spec}
    )
    BOOKS.write(book, tmp_path / "in.ipynb")
    done = papermill.execute_notebook(
        tmp_path / "in.ipynb", None, progress_bar=False, **manager_options()
    )
    place = Path(json.loads(done.cells[-1].outputs[0].text))
    assert place.is_absolute()  # of a TCP port it is an address
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
