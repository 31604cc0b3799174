"""The migration runbook: what the notebooks import, in the order they use it.

The names are imported on first use: the embedded server's watcher, which lives for as long as the
server does, then carries neither pandas nor matplotlib.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "open_run": "opening",
    "show_release": "preparation",
    "show_plan": "preparation",
    "review_release": "preparation",
    "show_locks": "preparation",
    "check_target": "preparation",
    "take_backup": "preparation",
    "rehearse": "trial",
    "show_findings": "trial",
    "show_observations": "trial",
    "forecast": "trial",
    "chart_rehearsal": "trial",
    "approve": "approvals",
    "migrate": "migration",
    "show_incidents": "window",
    "chart_traffic": "window",
    "chart_migration": "migration",
    "time_indexes": "migration",
    "chart_indexes": "migration",
    "compare_estimates": "migration",
    "chart_estimates": "migration",
    "compare_objects": "conclusion",
    "verify_target": "conclusion",
    "watch_metrics": "conclusion",
    "answer_criteria": "conclusion",
    "show_approvals": "conclusion",
    "seal_evidence": "conclusion",
    "diagnose_target": "undoing",
    "show_losses": "undoing",
    "show_ways": "undoing",
    "choose_way": "undoing",
    "show_hooks": "application",
    "stop_application": "application",
    "roll_back": "undoing",
    "show_carry": "undoing",
    "carry_forward": "undoing",
    "start_application": "application",
    "decide": "work",
    "run_phases": "launch",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
