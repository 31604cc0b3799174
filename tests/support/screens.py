"""Take pictures of notebooks as people meet them, and lay them out on one sheet.

``make screens`` runs this module over the committed notebooks.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.lab import find_chromium, open_browser
from tests.support.projects import REPOSITORY

_TALL = 20_000  # points of a page that are photographed
_HEAD = 2_100  # of one that is for the sheet
_THUMB = (300, 420)
_GAP = 24


@dataclass(frozen=True)
class View:
    """Hold one way to meet a page: how wide, in which theme, on paper, or on a forge."""

    name: str
    width: int = 1440
    theme: str = "light"
    paper: bool = False
    forge: bool = False


VIEWS = (
    View("light"),
    View("dark", theme="dark"),
    View("narrow", width=800),
    View("grey print", paper=True),
    View("forge", forge=True),
)


def exported(book: Any, view: View) -> str:
    """Return a notebook as the HTML that nbconvert makes of it, with all that is folded open."""
    if view.forge:
        book = _stripped(book)
    exporter = HTMLExporter(theme=view.theme)  # type: ignore[no-untyped-call]
    return str(exporter.from_notebook_node(book)[0])


def _stripped(book: Any) -> Any:
    """Return a notebook as a forge shows it: without styles, classes and drawings of lines."""
    book = nbformat.from_dict(book)  # type: ignore[no-untyped-call]  # a copy
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            data.pop("image/svg+xml", None)
            if "text/html" in data:
                text = re.sub(r"<style.*?</style>", "", "".join(data["text/html"]), flags=re.S)
                data["text/html"] = re.sub(r' (style|class|id)="[^"]*"', "", text)
    return book


@contextmanager
def opened(browser: Browser, text: str, view: View) -> Iterator[Page]:
    """Show a page without a network, as a file that was sent is read."""
    context = browser.new_context(viewport={"width": view.width, "height": 1000})
    page = context.new_page()
    page.route("**/*", lambda route: route.abort())  # refused at once, not waited for
    try:
        page.emulate_media(media="print" if view.paper else "screen")
        page.set_content(text, wait_until="domcontentloaded")
        yield page
    finally:
        context.close()


def photograph(page: Page, view: View, path: Path, tallest: int = _TALL) -> Path:
    """Take a picture of a page, of its head where it is taller; on paper there is no colour."""
    height = min(page.evaluate("document.documentElement.scrollHeight"), tallest)
    page.set_viewport_size({"width": view.width, "height": height})
    page.screenshot(path=path)
    if view.paper:
        Image.open(path).convert("L").save(path)
    return path


def contact_sheet(rows: Mapping[str, Sequence[Path]], path: Path) -> None:
    """Lay the heads of pictures out, a row for each page, and write them as one picture."""
    columns = max(map(len, rows.values()))
    width, height = _THUMB[0] + _GAP, _THUMB[1] + 2 * _GAP
    sheet = Image.new("RGB", (columns * width + _GAP, len(rows) * height + _GAP), "white")
    words = ImageDraw.Draw(sheet)
    for down, (name, pictures) in enumerate(rows.items()):
        for across, picture in enumerate(pictures):
            place = (_GAP + across * width, down * height + 2 * _GAP)
            words.text(
                (place[0], place[1] - _GAP // 2 - 4), f"{name}: {picture.stem}", fill="black"
            )
            sheet.paste(_thumb(picture), place)
    sheet.quantize(128).save(path, optimize=True)


def _thumb(path: Path) -> Image.Image:
    picture = Image.open(path).convert("RGB")
    scale = _THUMB[0] / picture.width
    head = picture.crop((0, 0, picture.width, min(picture.height, round(_THUMB[1] / scale))))
    return head.resize((_THUMB[0], round(head.height * scale)), Image.Resampling.LANCZOS)


def take_all(browser: Browser, books: Mapping[str, Any], directory: Path) -> dict[str, list[Path]]:
    """Photograph notebooks in every view; return the pictures by the notebook's name."""
    taken: dict[str, list[Path]] = {}
    for name, book in books.items():
        (directory / name).mkdir(parents=True, exist_ok=True)
        texts: dict[tuple[str, bool], str] = {}  # two views may be of one text
        for view in VIEWS:
            kind = view.theme, view.forge
            texts[kind] = texts.get(kind) or exported(book, view)
            with opened(browser, texts[kind], view) as page:
                path = directory / name / f"{view.name}.png"
                taken.setdefault(name, []).append(photograph(page, view, path, _HEAD))
    return taken


def main(path: Path) -> None:
    """Write the contact sheet of the committed notebooks."""
    books = {
        item.stem: nbformat.read(item, as_version=4)  # type: ignore[no-untyped-call]
        for item in sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as directory:
        executable = find_chromium(playwright)
        if executable is None:
            sys.exit("There is no Chromium: install one, or set RUNBOOK_CHROMIUM to its path.")
        with open_browser(playwright, executable, os.environ) as browser:
            contact_sheet(take_all(browser, books, Path(directory)), path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
