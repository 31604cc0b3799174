"""The acts of 00_brief: the release as listed, and the plan in the order it runs."""

from runbook_lib.evidence.run import Run
from runbook_lib.notebook.show import Table
from runbook_lib.parser.statement import Split


def show_release(run: Run) -> Table:
    """Show the release: one row per migration, as it is listed."""
    rows = [
        {
            "no.": item.declared.number or place,
            "migration": item.name,
            "purpose": item.declared.purpose,
            "risk": item.declared.risk,
            "estimate": item.declared.estimate,
            "tables": sum(created.kind == "table" for created in item.creates),
            "indexes": sum(created.kind == "index" for created in item.creates),
            "foreign keys": sum(len(statement.foreign_keys) for statement in item.statements),
            "statements": len(item.statements),
        }
        for place, item in enumerate(run.release.migrations, start=1)
    ]
    return Table(f"{run.release.title}: {len(rows)} migrations as listed", rows)


def show_plan(run: Run) -> Table:
    """Show the steps of the plan in the order they run, with the reason for each place."""
    listed = [item.name for item in run.release.migrations]
    rows = [
        {
            "step": place,
            "listed": str(listed.index(step.name) + 1) if step.name in listed else "",
            "what": step.kind.value,
            "name": step.name,
            "why": "; ".join(filter(None, [step.why, _split_words(step.split)])),
        }
        for place, step in enumerate(run.plan.steps, start=1)
    ]
    moved = "; ".join(f"{item.migration} runs after {item.behind}" for item in run.plan.moved)
    before = f"{len(run.plan.applied)} migrations" if run.plan.applied else "no migration"
    caption = f"The plan: {len(rows)} steps; {before} applied earlier"
    run.record(True, {"release": run.release.title, "steps": rows})
    return Table(f"{caption}. {moved or 'The listed order holds'}.", rows)


def _split_words(split: Split) -> str:
    builds, keys = len(split.concurrent), len(split.apart)
    words = [f"{builds} indexes CONCURRENTLY"] if builds else []
    words += [f"{keys} foreign keys, each alone"] if keys else []
    return f"outside its transaction: {', '.join(words)}" if words else ""
