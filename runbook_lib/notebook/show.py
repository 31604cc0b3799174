"""Show things in a notebook: tables and forms."""

import html
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import pandas as pd
from IPython import get_ipython
from IPython.display import display

from runbook_lib.checks.review import page_of
from runbook_lib.evidence.records import CheckResult, Outcome, Status
from runbook_lib.evidence.run import Run
from runbook_lib.findings import Finding, Severity
from runbook_lib.formatting import visible
from runbook_lib.notebook import markup, page
from runbook_lib.redaction import redact, redact_values

DIGEST_SHOWN = 12  # of a digest's 64 digits
_DIFFS = 20  # shown of a row's statements


_FOUND = {
    Severity.ERROR: Status.FAIL,
    Severity.WARNING: Status.WARN,
    Severity.INFO: Status.NOT_MEASURED,
}

_ORDER = list(Status)
_WELL = {Status.PASS, Status.NOT_MEASURED, Outcome.DONE, Outcome.ALREADY_DONE}
_OPEN = 20  # rows of a table that are open: of more, what is not well, or else the first
_FOLDED = 1_000  # rows at most behind them: a notebook is read, and the records have all


@dataclass(frozen=True)
class Table:
    """Show rows as a table in a notebook and as text elsewhere, secrets hidden.

    Of many rows those that need a look are open, or else the first; the rest is folded.
    """

    caption: str
    rows: Sequence[Mapping[str, Any]]

    @property
    def frame(self) -> "pd.DataFrame":
        """Return the open rows as pandas knows them."""
        return pd.DataFrame(_hidden(self._parts()[0]))

    def _parts(self) -> "tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]":
        """Return the rows that are open, and those that are folded."""
        if len(self.rows) <= _OPEN:
            return self.rows, ()
        bad = [at for at, row in enumerate(self.rows) if _needs_a_look(row)]
        wanted = {*bad[:_OPEN], *(at for at in bad if _failed(self.rows[at]))} or range(_OPEN)
        open_rows = [row for at, row in enumerate(self.rows) if at in wanted]
        return open_rows, [row for at, row in enumerate(self.rows) if at not in wanted]

    def __repr__(self) -> str:
        text = "" if not self.rows else "\n" + self.frame.to_string(index=False)
        rest = self._parts()[1]
        return shown(self.caption) + text + (f"\n... and {_more(rest)}" if rest else "")

    def _repr_html_(self) -> str:
        seen, rest = self._parts()
        caption = shown(self.caption)
        if not seen:
            return markup.titled(caption)
        return markup.table(_hidden(seen), self.frame, caption) + _folded(rest)


def _hidden(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: shown(item) if isinstance(item, str) else item for key, item in row.items()}
        for row in rows
    ]


def _needs_a_look(row: Mapping[str, Any]) -> bool:
    return any(row[name] not in _WELL for name in markup.MARKED if name in row)


def _failed(row: Mapping[str, Any]) -> bool:
    return any(row.get(name) in {Status.FAIL, Outcome.FAILED} for name in markup.MARKED)


def _folded(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows that a click opens, without the columns that say the same in each."""
    if not rows:
        return ""
    same = _same(rows)
    hidden = [
        {key: item for key, item in row.items() if key not in same}
        for row in _hidden(rows[:_FOLDED])
    ]
    return markup.folded(hidden, pd.DataFrame(hidden), f"show {_more(rows)}")


def _more(rows: Sequence[Mapping[str, Any]]) -> str:
    """Count the rows that are folded by how they ended, and say once what is the same in each."""
    texts = {key: item for key, item in _same(rows).items() if item and key not in markup.MARKED}
    same = ", ".join(f"{key} {item}" for key, item in texts.items())
    marked = [str(row[name]) for row in rows for name in markup.MARKED if name in row]
    ended = ", ".join(f"{count:,} {word}" for word, count in Counter(marked).most_common())
    part = f"; {_FOLDED:,} of them are here, the records have all" if len(rows) > _FOLDED else ""
    more = f"{len(rows):,} more{f': {ended}' if ended else ''}{f' with {same}' if same else ''}"
    return shown(f"{more}{part}")


def _same(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the texts that every row has; one column at least is not among them."""
    first = rows[0]
    found = {
        key: item
        for key, item in first.items()
        if isinstance(item, str) and all(row.get(key) == item for row in rows)
    }
    return found if len(rows) > 1 and len(found) < len(first) else {}


@dataclass(frozen=True)
class Remedy:
    """Hold what to do, and folded below it what the file has and what would do it safely."""

    text: str
    diff: str = ""

    def __str__(self) -> str:
        return shown(self.text)

    @property
    def html(self) -> str:
        """Return it as a cell of a table."""
        said = html.escape(str(self))
        if not self.diff:
            return said
        lines = (html.escape(shown(line)) for line in self.diff.splitlines())
        return (
            f"{said}<details><summary>the statements</summary>"
            f'<pre style="text-align: left; white-space: pre-wrap;">'
            f"{'<br>'.join(map(_diff_line, lines))}</pre></details>"
        )


@dataclass(frozen=True)
class Link:
    """Hold a text that leads to a page."""

    text: str
    page: str

    def __str__(self) -> str:
        return shown(self.text)

    @property
    def html(self) -> str:
        """Return it as a cell of a table."""
        said = html.escape(str(self))
        return f'<a href="{html.escape(self.page)}">{said}</a>' if self.page else said


def rule_pages(run: Run) -> str:
    """Return the way from this notebook to the pages of the rules, empty where they are not here.

    What papermill executes is kept with the run; in JupyterLab a notebook stays where it lies.
    """
    pages = run.root / "docs" / "rules"
    lies = page.path()
    executed = run.directory.path if page.injected() else run.root / "notebooks"
    here = lies.parent if lies else executed
    return os.path.relpath(pages, here) if pages.is_dir() else ""


def _diff_line(line: str) -> str:
    status = {"+": Status.PASS, "-": Status.FAIL}.get(line[:1])
    return markup.coloured(line, status) if status else line


def shown(text: str) -> str:
    """Return a text as a screen may have it: without secrets, and with nothing that acts on it."""
    return visible(redact(text))


def worst_first(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sort rows by their status, failures on top, else as they were."""
    return sorted(rows, key=lambda row: _ORDER.index(row["status"]))


def show(thing: object) -> None:
    """Display a value from inside a call; nothing happens outside a notebook."""
    if get_ipython() is not None:
        display(thing)  # type: ignore[no-untyped-call]


class Spot:
    """Hold a place of a page at which something is shown, and then something else in its stead.

    What a button does has no output of its own, but may change what its cell has shown before
    (Messaging in Jupyter, update_display_data).
    """

    def __init__(self) -> None:
        nothing = {"text/plain": "", "text/html": ""}
        there = get_ipython() is not None
        self._handle = display(nothing, raw=True, display_id=True) if there else None  # type: ignore[no-untyped-call]

    def show(self, thing: object) -> None:
        """Show a value there; nothing happens outside a notebook."""
        if self._handle is not None:
            self._handle.update(thing)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Let the progress of the acts in the block be shown here."""
        before = _taken.set(self)
        try:
            yield
        finally:
            _taken.reset(before)


_taken: ContextVar[Spot | None] = ContextVar("_taken", default=None)


def spot() -> Spot:
    """Return the place that was taken for the progress of what is going on, else a new one."""
    return _taken.get() or Spot()


def hide_in_outputs(hear: Callable[[Mapping[str, Any]], None]) -> None:
    """Let every message of this kernel pass the redactor: outputs, widgets and tracebacks.

    What is sent is told to ``hear`` besides.
    """
    session = getattr(getattr(get_ipython(), "kernel", None), "session", None)
    if session is None or "serialize" in vars(session):
        return  # no notebook, or done before
    serialize = session.serialize

    def redacted(msg: dict[str, Any], ident: Any = None) -> Any:
        message = {**msg, "content": redact_values(msg["content"])}
        hear(message)
        return serialize(message, ident)

    session.serialize = redacted


def approval_form(
    names: Mapping[str, str],
    dbname: str,
    confirmed: str,
    save: Callable[[str, dict[str, str]], Table],
) -> None:
    """Show fields for the typed confirmation and the approvals, and a button that records them.

    ``names`` holds what each role gave before. ``save`` returns what stands then.
    """
    confirm = text_field("database", confirmed, f"type {dbname}")
    fields = {role: text_field(role, name, "name") for role, name in names.items()}
    button = widgets.Button(description="Record approvals", button_style="primary")
    said = widgets.HTML()

    def record(_: object) -> None:
        state = save(confirm.value, {role: field.value for role, field in fields.items()})
        said.value = f"Recorded. {state._repr_html_()}"

    button.on_click(record)
    show(widgets.VBox([confirm, *fields.values(), button, said]))


def text_field(label: str, value: str, placeholder: str) -> widgets.Text:
    """Make a field that sends its text when it is left, once, before the click on a button.

    Sent letter by letter, the last ones wait for the kernel's answer to the first: a click that
    comes before it would record half a name.
    """
    field = widgets.Text(
        value=value, description=label, placeholder=placeholder, continuous_update=False
    )
    field.style.description_width = "16em"
    field.layout.width = "40em"
    return field


def checked(run: Run, title: str, results: Sequence[CheckResult], content: dict[str, Any]) -> Table:
    """Record check results and show them, worst first."""
    failed = [item.name for item in results if item.status is Status.FAIL]
    warned = sum(item.status is Status.WARN for item in results)
    unseen = sum(item.status is Status.NOT_MEASURED for item in results)
    run.record(not failed, {"failed": failed, "checks": results, **content})
    rows = [
        {
            "check": _in_words(item.name),
            "status": item.status.value,
            "observed": item.observed,
            "expected": item.expected,
            "remedy": item.remedy,
        }
        for item in results
    ]
    caption = (
        f"{title}: {len(results)} checks, {len(failed)} failed, {warned} warnings, "
        f"{unseen} not measured"
    )
    return Table(caption, worst_first(rows))


def _in_words(name: str) -> str:
    """Return the name of a check as a person reads it; a variable's name stays as it is."""
    return name if name.isupper() else name.replace("_", " ")


def findings_table(title: str, findings: Sequence[Finding], pages: str = "") -> Table:
    """Show findings worst first; what a rule finds again in the same file is one row.

    ``pages`` is where the pages of the rules are.
    """
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for item in findings:
        own = item.statement, item.cause
        same = item.rule, item.path, item.blocks, item.accepted, item.planned
        groups.setdefault((*same, *(own if item.sqlstate else ())), []).append(item)
    rows = []
    for group in groups.values():
        first, lines = group[0], [str(item.line) for item in group[1:]]
        more = f" and {len(lines)} more (lines {', '.join(lines[:5])}" if lines else ""
        more += f"{', ...' if len(lines) > 5 else ''})" if lines else ""
        good = first.accepted or first.planned
        status = Status.PASS if good else _FOUND[first.severity]
        state = f" (SQLSTATE {first.sqlstate})" if first.sqlstate else ""
        rows.append(
            {
                "status": status.value,
                "rule": Link(first.rule, page_of(first.rule, pages)),
                "found by": first.phase,
                "place": "/".join(first.place.split("/")[-2:]),
                "cause": f"{first.cause}{state}{more}",
                "effect": first.effect,
                "remedy": _remedy(group),
            }
        )
    blocking = sum(item.blocks for item in findings)
    stops = f"{blocking} block" if blocking else "none blocks"
    counted = f"{len(findings)} findings, {stops} the migration"
    return Table(f"{title}: {counted if findings else 'nothing found'}", rows)


def _remedy(group: Sequence[Finding]) -> Remedy:
    """Return what to do about findings that are one row, with the first of their statements."""
    first = group[0]
    diffs = [diff for diff in dict.fromkeys(item.diff for item in group) if diff]
    more = f"\n  ... and {len(diffs) - _DIFFS} more" if len(diffs) > _DIFFS else ""
    text = f"accepted: {first.accepted}" if first.accepted else first.remedy
    return Remedy(text, "\n\n".join(diffs[:_DIFFS]) + more)
