"""Write ``docs/rules.md`` from the hazard rules, each with what the tests run for it.

``python -m tests.support.rule_pages`` prints it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from runbook_lib.checks.review import RULES
from runbook_lib.hazards.data_loss import EFFECTS
from runbook_lib.hazards.rules import Rule

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "hazards"
_HEAD = """# Rules

What the prechecks warn of, by the name that a finding has. This page is written from the rules and
from the SQL that the tests run for each on a server (`make docs`). A rule that asks for a table
with rows looks at the target: the same statement on an empty table is quiet.

To go on in spite of one, accept it by name, with the reason, in the release's `release.toml`:

```toml
[[accept]]
rule = "check-validated"
migration = "20260101_add_check"
reason = "the table is small, and the shop is closed at that hour"
```
"""
_LOSSES = """## Losses

What takes rows, values or objects away. Where a rehearsal has the rows it counts them, and that
count is what is accepted: `object` and `at_most` say of what, and of how many.
"""


def page() -> str:
    """Return the page."""
    rules = "\n".join(line for name in sorted(RULES) for line in _rule(RULES[name]))
    losses = [f"- `{name}`: {effect}" for name, effect in EFFECTS.items()]
    return "\n".join([_HEAD, rules, _LOSSES, *losses, ""])


def _rule(rule: Rule) -> Iterator[str]:
    yield f"## {rule.id}\n"
    yield f"{rule.condition} ({rule.severity.value}{_versions(rule)}). {rule.effect}\n"
    yield f"**Remedy:** {rule.remedy}\n"
    for word, name in (("It warns of", "bad"), ("It is quiet about", "good")):
        path = EXAMPLES / rule.id / f"{name}.sql"
        if path.exists():
            yield f"{word}:\n\n```sql\n{path.read_text(encoding='utf-8').strip()}\n```\n"


def _versions(rule: Rule) -> str:
    return f"; PostgreSQL {rule.versions[0]} to {rule.versions[1]}" if rule.versions else ""


if __name__ == "__main__":
    sys.stdout.write(page())
