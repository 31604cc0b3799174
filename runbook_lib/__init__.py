"""The migration runbook: what the notebooks import, in the order they use it.

The names are imported on first use: the embedded server's watcher, which lives for as long as the
server does, then carries neither pandas nor matplotlib.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "open_run": "notebook.session",
    "show_release": "notebook.prechecks",
    "show_plan": "notebook.prechecks",
    "review_release": "notebook.prechecks",
    "show_locks": "notebook.prechecks",
    "check_target": "notebook.prechecks",
    "take_backup": "notebook.prechecks",
    "rehearse": "notebook.rehearsal",
    "show_findings": "notebook.rehearsal",
    "show_observations": "notebook.rehearsal",
    "forecast": "notebook.rehearsal",
    "chart_rehearsal": "notebook.rehearsal",
    "approve": "notebook.approvals",
    "apply_step": "notebook.migrate",
    "show_incidents": "notebook.window",
    "chart_traffic": "notebook.window",
    "chart_migration": "notebook.migrate",
    "time_indexes": "notebook.migrate",
    "chart_indexes": "notebook.migrate",
    "compare_estimates": "notebook.migrate",
    "chart_estimates": "notebook.migrate",
    "compare_objects": "notebook.signoff",
    "verify_target": "notebook.signoff",
    "watch_metrics": "notebook.signoff",
    "answer_criteria": "notebook.signoff",
    "show_approvals": "notebook.signoff",
    "seal_evidence": "notebook.signoff",
    "diagnose_target": "notebook.rollback",
    "show_losses": "notebook.rollback",
    "show_ways": "notebook.rollback",
    "choose_way": "notebook.rollback",
    "show_hooks": "notebook.application",
    "stop_application": "notebook.application",
    "roll_back": "notebook.rollback",
    "show_carry": "notebook.rollback",
    "carry_forward": "notebook.rollback",
    "start_application": "notebook.application",
    "decide": "notebook.work",
    "run_phases": "notebook.run",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
