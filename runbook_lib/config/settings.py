"""Write ``docs/settings.md`` from the types that ``environments.toml`` is read into.

``python -m runbook_lib.config.settings`` prints it.
"""

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin

from runbook_lib.config.environments import Environment
from runbook_lib.config.setting import Setting, hints, parts
from runbook_lib.config.toml import shown

_HEAD = """# Settings

Each table of `environments.toml` is a target, named by its header, and holds these tables. This
page is written from the types that the file is read into (`make docs`); a key that is not here, or
a value that is not allowed, is refused with its line before anything is touched.
"""
_NAMES = {bool: "true or false", int: "whole number", float: "number"}


def page() -> str:
    """Return the page."""
    return "\n".join((_HEAD, *_tables(Environment, "NAME")))


def _tables(kind: type, header: str) -> Iterator[str]:
    """Yield the section of a table, then those of the tables in it."""
    found, by_name = hints(kind), {item.name: item for item in fields(kind)}
    inner = {key: parts(hint)[0] for key, hint in found.items() if is_dataclass(parts(hint)[0])}
    rows = [_row(by_name[key], hint) for key, hint in found.items() if key not in inner]
    if rows:
        about = inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
        yield f"## `[{header}]`\n\n{about}\n"
        yield "| key | type | unit | range | default | what happens |"
        yield "| --- | --- | --- | --- | --- | --- |"
        yield from rows
        yield ""
    for key, part in inner.items():
        yield from _tables(part, f"{header}.{key}")


def _row(item: "Field[Any]", hint: Any) -> str:
    kind, setting = parts(hint)
    default = "needed" if item.default is MISSING else f"`{shown(item.default)}`"
    name = _NAMES.get(kind, "list of texts" if get_origin(kind) is tuple else "text")
    cells = (f"`{item.name}`", name, setting.unit, _range(kind, setting), default, setting.does)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _range(kind: Any, setting: Setting) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{shown(word)}`" for word in get_args(kind))
    if kind in {int, float}:
        return f"{setting.least:.15g} to {setting.most:.15g}"
    return setting.words


if __name__ == "__main__":
    print(page(), end="")
