"""The act of 70_monitor: metrics beside their thresholds."""

from runbook_lib.evidence.records import Status
from runbook_lib.evidence.run import Run
from runbook_lib.notebook.acts import one_writer
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import Table, worst_first
from runbook_lib.performance.monitor import measure


@one_writer
def watch_metrics(run: Run) -> Table:
    """Measure the target's health against the release's thresholds; say what cannot be seen."""
    with Progress("Monitoring", 1), run.database.runner_session() as connection:
        found = measure(connection, run.target, run.release.thresholds, run.policy.monitor.samples)
    over = [item.name for item in found if item.status is Status.WARN]
    run.record(True, {"metrics": found, "over": over})
    rows = [
        {
            "scope": item.scope,
            "metric": item.name,
            "status": item.status.value,
            "value": item.value,
            "unit": item.unit,
            "alert above": item.above,
            "source": item.source,
        }
        for item in found
    ]
    unseen = sum(item.value is None for item in found)
    high = f"over the threshold: {', '.join(over)}" if over else "none over its threshold"
    caption = f"{len(found)} metrics: {high}; {unseen} not visible from here"
    return Table(caption, worst_first(rows))
