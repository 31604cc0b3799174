"""What notebooks may use, in the order of its use; the runtime reads its lazy imports from here."""

# ruff: isort: skip_file

from .notebook.start import begin_run, show_environments, show_runs
from .notebook.session import decide, open_run
from .notebook.run import run_phases
from .notebook.brief import show_plan, show_release
from .notebook.prechecks import check_target, review_release, show_locks
from .notebook.backup import take_backup
from .notebook.rehearsal import (
    approve,
    chart_rehearsal,
    forecast,
    rehearse,
    show_findings,
    show_observations,
)
from .notebook.steps import show_steps
from .notebook.migrate import apply_step, chart_migration, chart_traffic, show_incidents
from .notebook.index_timing import chart_estimates, chart_indexes, compare_estimates, time_indexes
from .notebook.verify import compare_objects, verify_target
from .notebook.monitor import watch_metrics
from .notebook.signoff import answer_criteria, seal_evidence, show_approvals, sign_off
from .notebook.rollback import (
    carry_forward,
    choose_way,
    diagnose_target,
    drop_kept_database,
    roll_back,
    show_carry,
    show_losses,
    show_ways,
    take_back,
)
from .notebook.runs import choose_run, show_leftovers
from .notebook.application import show_hooks, start_application, stop_application

__all__ = [
    "answer_criteria",
    "apply_step",
    "approve",
    "begin_run",
    "carry_forward",
    "chart_estimates",
    "chart_indexes",
    "chart_migration",
    "chart_rehearsal",
    "chart_traffic",
    "check_target",
    "choose_run",
    "choose_way",
    "compare_estimates",
    "compare_objects",
    "decide",
    "diagnose_target",
    "drop_kept_database",
    "forecast",
    "open_run",
    "rehearse",
    "review_release",
    "roll_back",
    "run_phases",
    "seal_evidence",
    "show_approvals",
    "show_carry",
    "show_environments",
    "show_findings",
    "show_hooks",
    "show_incidents",
    "show_leftovers",
    "show_locks",
    "show_losses",
    "show_observations",
    "show_plan",
    "show_release",
    "show_runs",
    "show_steps",
    "show_ways",
    "sign_off",
    "start_application",
    "stop_application",
    "take_back",
    "take_backup",
    "time_indexes",
    "verify_target",
    "watch_metrics",
]
