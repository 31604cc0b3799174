"""Projects of their own for tests that run notebooks: a copy in an empty directory."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("environments.toml", "notebooks", "sql")


def fresh_project(directory: Path) -> Path:
    """Copy what a run needs into ``directory``; its server and its runs stay in there."""
    directory.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, directory / part)
        else:
            shutil.copy(source, directory / part)
    return directory


def command(
    *words: str | Path, cwd: Path, env: dict[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment and return what it said."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, "PATH": path, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def papermill(
    notebook: str,
    *parameters: str,
    project: Path,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``papermill NOTEBOOK out.ipynb -p name value ...`` as a person types it."""
    pairs = [word for item in parameters for word in ("-p", *item.split("=", 1))]
    return command("papermill", notebook, "out.ipynb", *pairs, cwd=cwd or project, env=env)


def runs(project: Path, env: str = "dev") -> list[Path]:
    """Return the run directories of an environment, oldest first."""
    return sorted((project / "runs" / env).glob("*"))


def record(run: Path, name: str) -> dict[str, Any]:
    """Return one record of a run."""
    content: dict[str, Any] = json.loads((run / f"{name}.json").read_text())
    return content


def stop(project: Path) -> None:
    """Stop the project's embedded server."""
    command(sys.executable, "-m", "runbook_lib.postgres.embedded", "stop", project, cwd=project)
