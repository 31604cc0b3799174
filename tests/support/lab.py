"""Drive a real JupyterLab in a real browser, apart from the settings of whoever runs the tests."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 90.0  # seconds for one thing to happen on a busy machine
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_FLAGS = (
    "--no-sandbox",  # Chromium refuses its sandbox to root; it shows nothing but our own server
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_CHROMIUM = (
    "no Chromium: install it (apt-get install chromium; macOS: brew install --cask chromium; "
    "anywhere: python -m playwright install chromium) or set RUNBOOK_CHROMIUM to its path"
)
_QUIET = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}


def find_chromium(playwright: Playwright) -> str | None:
    """Return the browser of RUNBOOK_CHROMIUM, else one that is installed, None without any."""
    given = os.environ.get("RUNBOOK_CHROMIUM")
    if given:
        return shutil.which(given) or given  # one that was named and is not there is an error
    found = (shutil.which(name) for name in _NAMES)
    known = (path for path in (*_MACOS, playwright.chromium.executable_path) if Path(path).exists())
    return next(filter(None, (*found, *known)), None)


def make_project(root: Path, policy: str = "") -> Path:
    """Copy what the runbook needs into ``root``, notebooks without outputs; return ``root``.

    ``policy`` are tables that are added to the policy of dev.
    """
    root.mkdir()
    text = (REPOSITORY / "environments.toml").read_text(encoding="utf-8")
    (root / "environments.toml").write_text(f"{text}\n{policy}", encoding="utf-8")
    shutil.copytree(REPOSITORY / "sql", root / "sql")
    (root / "notebooks").mkdir()
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":  # what is seen later was made later
                cell |= {"outputs": [], "execution_count": None}
        (root / "notebooks" / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    return root


def make_home(home: Path) -> dict[str, str]:
    """Return an environment in which nobody's own settings are read or written."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "IPYTHON", "PG", "XDG_", "RUNBOOK_PROD"))
        and name != "PYTHONDONTWRITEBYTECODE"  # without .pyc files all is slow
    }
    kinds = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    places = {f"JUPYTER_{kind}": home / kind.lower() for kind in kinds}
    places |= {"IPYTHONDIR": home / "ipython", "HOME": home}
    places |= {f"JUPYTERLAB_{kind}_DIR": home / kind.lower() for kind in ("SETTINGS", "WORKSPACES")}
    # All cells are in the page, not only those that are in sight.
    settings = home / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    pages = home / "config_dir" / "labconfig"
    pages.mkdir()
    (pages / "page_config.json").write_text(json.dumps(_QUIET), encoding="utf-8")
    grace = {"RUNBOOK_SANDBOX_GRACE": "1"}  # the embedded server's watcher is soon gone
    return {**kept, **{name: str(place) for name, place in places.items()}, **grace}


def run_python(environment: Mapping[str, str], cwd: Path, *words: str) -> str:
    """Run this interpreter and return what it said; raises AssertionError where it fails."""
    done = subprocess.run(
        [sys.executable, *words],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}"
    return done.stdout


@contextlib.contextmanager
def no_process_left(environment: Mapping[str, str], *projects: Path) -> Iterator[None]:
    """Stop the projects' servers at the end, and end whatever else still lives in this home."""
    try:
        yield
    finally:
        for project in projects:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                run_python(
                    environment,
                    project,
                    "-m",
                    "runbook_lib.postgres.embedded",
                    "stop",
                    str(project),
                )
        _end(environment["HOME"])


def _end(home: str) -> None:
    """End every process of this home: it is ours alone, so nobody else's can be in it."""
    deadline = time.monotonic() + 3  # a watcher goes by itself
    while (found := _at_home(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=10)


def _at_home(home: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("HOME") == home:
                found.append(process)
    return found


class Lab:
    """A JupyterLab on a free port of this machine, with a token of its own, while it is entered."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = environment
        self._token = secrets.token_hex(16)
        self._log = root / "lab.log"

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        words = [
            "--no-browser",
            f"--ServerApp.root_dir={self._root}",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self._port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self._token}",
        ]
        if os.geteuid() == 0:
            words.append("--allow-root")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *words],
                env=self._environment,
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), opener.open(self.url("api"), timeout=5):
                return
            said = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
            assert self._process.poll() is None, f"JupyterLab ended:\n{said}"
            assert time.monotonic() < deadline, f"JupyterLab does not answer:\n{said}"
            time.sleep(0.1)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}/{path}?token={self._token}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # it ends its kernels first
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def open_browser(
    playwright: Playwright, executable: str, environment: Mapping[str, str]
) -> Iterator[Browser]:
    browser = playwright.chromium.launch(
        executable_path=executable, args=[*_FLAGS], env=dict(environment)
    )
    try:
        yield browser
    finally:
        browser.close()


@contextlib.contextmanager
def chromium(environment: Mapping[str, str]) -> Iterator[Browser]:
    """Hand over a browser; the test is skipped where none is installed."""
    with sync_playwright() as playwright:
        executable = find_chromium(playwright)
        if executable is None:
            pytest.skip(_CHROMIUM)
        with open_browser(playwright, executable, environment) as browser:
            yield browser


def shots_in(base: Path) -> Path:
    """Return where pictures go: RUNBOOK_SHOTS, or a directory here."""
    path = Path(os.environ.get("RUNBOOK_SHOTS") or base / "shots")
    path.mkdir(parents=True, exist_ok=True)
    return path


@dataclass(frozen=True)
class Screen:
    """What a person sits before: a JupyterLab on a directory, and a browser."""

    root: Path
    lab: Lab
    browser: Browser
    shots: Path

    @contextlib.contextmanager
    def open(self, path: Path, height: int = 1700) -> "Iterator[Notebook]":
        """Open a notebook in a page of its own; a picture is kept of a page that fails."""
        page = self.browser.new_page(viewport={"width": 1440, "height": height})
        page.set_default_timeout(PATIENCE * 1000)
        try:
            page.goto(self.lab.url(f"lab/tree/{path.relative_to(self.root)}") + "&reset")
            yield Notebook(page, path, self.shots)
        except BaseException:
            page.screenshot(path=self.shots / f"{path.stem}_failed.png")
            raise
        finally:
            page.close()


@contextlib.contextmanager
def open_screen(root: Path, environment: Mapping[str, str], *projects: Path) -> Iterator[Screen]:
    """Open the projects below a directory in JupyterLab; nothing of them is left at the end."""
    with (
        chromium(environment) as browser,
        no_process_left(environment, *projects),
        Lab(root, environment) as lab,
    ):
        yield Screen(root, lab, browser, shots_in(root))


@dataclass(frozen=True)
class Cell:
    """What the screen shows of one code cell: the prompt's number, its source, its errors."""

    number: str
    source: str
    errors: tuple[str, ...]


@dataclass(frozen=True)
class SeenTable:
    """What the screen shows of one table, and whether all of its width is in sight."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    fits: bool

    def column(self, name: str) -> list[str]:
        return [row[self.columns.index(name)] for row in self.rows]


# The lab hides what is scrolled away, innerText is empty there: textContent is not.
_READ_CELLS = """cells => cells.map(cell => ({
    number: cell.querySelector('.jp-InputPrompt').textContent,
    source: cell.querySelector('.cm-content').textContent,
    errors: [...cell.querySelectorAll(
        '[data-mime-type="application/vnd.jupyter.error"],' +
        '[data-mime-type="application/vnd.jupyter.stderr"]')].map(item => item.textContent)}))"""

_READ_TABLE = """table => ({
    caption: table.caption ? table.caption.innerText : '',
    columns: [...table.querySelectorAll('thead th')].map(cell => cell.innerText.trim()),
    rows: [...table.querySelectorAll('tbody tr')].map(
        row => [...row.cells].map(cell => cell.innerText.trim())),
    fits: table.getBoundingClientRect().right <=
        table.closest('.jp-OutputArea-output').getBoundingClientRect().right + 1})"""

_DONE = """panel => {
    const prompts = [...panel.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
        .map(item => item.textContent);
    return prompts[0] !== '[ ]:' && !prompts.includes('[*]:');
}"""


class Notebook:
    """The notebook in front, used as a person uses it: clicks and keys, and what is on the screen.

    ``shots`` is where the pictures of its cells go.
    """

    def __init__(self, page: Page, path: Path, shots: Path) -> None:
        self.page = page
        self.name = path.stem
        self._shots = shots
        self._cells = len(json.loads(path.read_text(encoding="utf-8"))["cells"])
        tab = page.locator(".lm-TabBar-tab.lm-mod-current", has_text=path.name)
        tab.first.wait_for(timeout=PATIENCE * 1000)
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self._until(f"panel => panel.querySelectorAll('.jp-Cell').length === {self._cells}")
        # Earlier, "Run All Cells" would be answered by a question for the kernel.
        ready = page.locator("#jp-main-statusbar", has_text="| Idle")
        ready.wait_for(timeout=PATIENCE * 1000)

    def _until(self, condition: str) -> None:
        self.page.wait_for_function(
            f"() => {{ const panel = document.querySelector("
            f"'.jp-NotebookPanel:not(.lm-mod-hidden)'); return panel && ({condition})(panel); }}",
            timeout=PATIENCE * 1000,
        )

    def run_all(self) -> None:
        """Choose Run > Run All Cells and wait until no cell is waiting any more."""
        assert {cell.number for cell in self.cells()} == {"[ ]:"}, "the copy was executed before"
        self.page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text("Run All Cells", exact=True).click()
        self._until(_DONE)
        self.photograph("run")

    def bring_to_front(self) -> None:
        self.page.locator(".lm-TabBar-tab", has_text=f"{self.name}.ipynb").click()
        self._until(f"panel => panel.querySelectorAll('.jp-Cell').length === {self._cells}")

    def photograph(self, when: str) -> None:
        """Keep a picture of each cell with an output, for people."""
        outputs = self.panel.locator(".jp-CodeCell:has(.jp-OutputArea-child)")
        for place, cell in enumerate(outputs.all()):
            cell.screenshot(path=self._shots / f"{self.name}_{when}_{place}.png")

    def cells(self) -> list[Cell]:
        found = self.panel.locator(".jp-CodeCell").evaluate_all(_READ_CELLS)
        return [Cell(item["number"], item["source"], tuple(item["errors"])) for item in found]

    def errors(self) -> list[str]:
        return [error for cell in self.cells() for error in cell.errors]

    def tables(self) -> list[SeenTable]:
        """Return every table, what was folded opened."""
        self.panel.locator("details").evaluate_all("all => all.forEach(item => item.open = true)")
        found = []
        for table in self.panel.locator(".jp-OutputArea-output table").all():
            table.scroll_into_view_if_needed()
            item = table.evaluate(_READ_TABLE)
            rows = tuple(tuple(row) for row in item["rows"])
            found.append(SeenTable(item["caption"], tuple(item["columns"]), rows, item["fits"]))
        return found

    def table(self, caption: str) -> SeenTable:
        """Return the table whose caption holds the words; raises AssertionError without one."""
        tables = self.tables()
        found = [item for item in tables if caption in item.caption]
        assert found, f"no table says {caption!r}: {[item.caption for item in tables]}"
        return found[0]

    def progress(self) -> Locator:
        return self.panel.locator(".jp-OutputArea-output div:has(> strong):has(> div > div)")

    def follow(self, link: str, path: Path) -> "Notebook":
        """Click the link of the last cell and return the notebook that it opens."""
        self.panel.locator(".jp-MarkdownCell a", has_text=link).last.click()
        return self.opened(path)

    def opened(self, path: Path) -> "Notebook":
        """Return the notebook that a click has brought to the front of this page."""
        return Notebook(self.page, path, self._shots)
