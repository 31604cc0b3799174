"""Write ``docs/rules/``, a page for each hazard rule with what the tests run for it, and an index.

``python -m tests.support.rule_pages DIRECTORY`` writes them, and removes what is no rule's.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from runbook_lib.checks.review import RULES
from runbook_lib.hazards.data_loss import EFFECTS
from runbook_lib.hazards.rules import Rule
from runbook_lib.parser.parse import read_statements
from runbook_lib.parser.statement import LockMode

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "hazards"
INDEX = "README.md"
_MANUAL = "https://www.postgresql.org/docs/current"
_HEAD = """# Rules

What the prechecks warn of, by the name that a finding has. These pages are written from the rules
and from the SQL that the tests run for each on a server (`make docs`). A rule that asks for a table
with rows looks at the target: the same statement on an empty table is quiet. Where a rule knows the
statements that do the same safely, the finding shows them with the names of the release; where the
plan already does so, the finding passes.

What was found is kept in the run's directory, `runs/<env>/<time>_<release>/`: `10_review.json` has
each finding (its schema is [10_review.json](../schemas/10_review.json)), `findings.sarif` the same
as SARIF 2.1.0, which a forge shows on the lines of the files; its paths begin at the repository
that the release is in. What the rehearsal finds besides is in its own record.

| rule | how much it matters | it warns of |
| --- | --- | --- |"""
_LOSSES = """
## Losses

What takes rows, values or objects away. Where a rehearsal has the rows it counts them, and that
count is what is accepted: `object` and `at_most` say of what, and of how many.
"""
_ACCEPT = """## To accept it

Write it, with the reason, into the release's `release.toml`, or with `who` and `when` besides into
the run's `acceptances.toml`:

```toml
[[accept]]
rule = "{rule}"
migration = "20260101_name_of_the_migration"
reason = "why it does no harm here"
```
"""


def pages() -> dict[str, str]:
    """Return each page by its name."""
    found = {f"{name}.md": "\n".join(_page(rule)) for name, rule in RULES.items()}
    return {**found, INDEX: "\n".join(_index())}


def _index() -> Iterator[str]:
    yield _HEAD
    for name in sorted(RULES):
        rule = RULES[name]
        yield f"| [{name}]({name}.md) | {rule.severity.value} | {rule.condition} |"
    yield _LOSSES
    yield from (f"- `{name}`: {effect}" for name, effect in EFFECTS.items())
    yield ""


def _page(rule: Rule) -> Iterator[str]:
    yield f"# {rule.id}\n"
    yield f"{_sentence(rule.condition)} Severity: {rule.severity.value}{_versions(rule)}.\n"
    yield f"**Why:** {rule.effect}\n"
    yield f"**Lock:** {_locks(rule)}\n"
    yield f"**What to do:** {rule.remedy}\n"
    yield _example(rule, "It warns of", "bad.sql")
    if rule.safe:
        yield _example(rule, "What does it safely", "safe.diff")
    yield _example(rule, "It is quiet about", "good.sql")
    yield _ACCEPT.format(rule=rule.id)
    yield f"PostgreSQL manual: [{rule.manual}]({_MANUAL}/{rule.manual}.html)"
    yield "\n[All rules](README.md)\n"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _locks(rule: Rule) -> str:
    """Say what the example locks, strongest first, as it is read without a target."""
    statements, _ = read_statements((EXAMPLES / rule.id / "bad.sql").read_text("utf-8"), "bad.sql")
    held = {(lock.mode, lock.relation.name) for item in statements for lock in item.locks}
    order = list(LockMode)
    words = [
        f"{mode.words} on `{table}`"
        for mode, table in sorted(held, key=lambda item: (-order.index(item[0]), item[1]))
    ]
    return f"the example takes {', '.join(words)}." if words else "none on a table that it names."


def _example(rule: Rule, title: str, name: str) -> str:
    path = EXAMPLES / rule.id / name
    kind = path.suffix.removeprefix(".")
    return f"## {title}\n\n```{kind}\n{path.read_text('utf-8').strip()}\n```\n"


def _versions(rule: Rule) -> str:
    return f", on PostgreSQL {rule.versions[0]} to {rule.versions[1]}" if rule.versions else ""


def write_pages(directory: Path) -> None:
    """Write the pages, and remove those of rules that are gone."""
    directory.mkdir(exist_ok=True)
    found = pages()
    for path in directory.iterdir():
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
