"""The migration runbook: what the notebooks import, in the order they use it.

The names are imported on first use: the embedded server's watcher, which lives for as long as the
server does, then carries neither pandas nor matplotlib.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "open_run": "notebook.session",
    "show_release": "notebook.brief",
    "show_plan": "notebook.brief",
    "review_release": "notebook.prechecks",
    "show_locks": "notebook.prechecks",
    "check_target": "notebook.prechecks",
    "take_backup": "notebook.backup",
    "rehearse": "notebook.rehearsal",
    "show_findings": "notebook.rehearsal",
    "show_observations": "notebook.rehearsal",
    "forecast": "notebook.rehearsal",
    "chart_rehearsal": "notebook.rehearsal",
    "approve": "notebook.rehearsal",
    "apply_step": "notebook.migrate",
    "show_incidents": "notebook.migrate",
    "chart_traffic": "notebook.migrate",
    "chart_migration": "notebook.migrate",
    "time_indexes": "notebook.index_timing",
    "chart_indexes": "notebook.index_timing",
    "compare_estimates": "notebook.index_timing",
    "chart_estimates": "notebook.index_timing",
    "compare_objects": "notebook.verify",
    "verify_target": "notebook.verify",
    "watch_metrics": "notebook.monitor",
    "answer_criteria": "notebook.signoff",
    "show_approvals": "notebook.signoff",
    "seal_evidence": "notebook.signoff",
    "diagnose_target": "notebook.rollback",
    "show_losses": "notebook.rollback",
    "show_ways": "notebook.rollback",
    "choose_way": "notebook.rollback",
    "show_hooks": "notebook.rollback",
    "stop_application": "notebook.rollback",
    "roll_back": "notebook.rollback",
    "show_carry": "notebook.rollback",
    "carry_forward": "notebook.rollback",
    "start_application": "notebook.rollback",
    "decide": "notebook.session",
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
