"""What notebooks may use, with its types: the runtime reads its lazy imports from here."""

from .notebook.backup import (
    take_backup as take_backup,
)
from .notebook.brief import (
    show_plan as show_plan,
)
from .notebook.brief import (
    show_release as show_release,
)
from .notebook.index_timing import (
    chart_estimates as chart_estimates,
)
from .notebook.index_timing import (
    chart_indexes as chart_indexes,
)
from .notebook.index_timing import (
    compare_estimates as compare_estimates,
)
from .notebook.index_timing import (
    time_indexes as time_indexes,
)
from .notebook.migrate import (
    apply_step as apply_step,
)
from .notebook.migrate import (
    chart_migration as chart_migration,
)
from .notebook.migrate import (
    chart_traffic as chart_traffic,
)
from .notebook.migrate import (
    show_incidents as show_incidents,
)
from .notebook.monitor import (
    watch_metrics as watch_metrics,
)
from .notebook.prechecks import (
    check_target as check_target,
)
from .notebook.prechecks import (
    review_release as review_release,
)
from .notebook.prechecks import (
    show_locks as show_locks,
)
from .notebook.rehearsal import (
    approve as approve,
)
from .notebook.rehearsal import (
    chart_rehearsal as chart_rehearsal,
)
from .notebook.rehearsal import (
    forecast as forecast,
)
from .notebook.rehearsal import (
    rehearse as rehearse,
)
from .notebook.rehearsal import (
    show_findings as show_findings,
)
from .notebook.rehearsal import (
    show_observations as show_observations,
)
from .notebook.rollback import (
    carry_forward as carry_forward,
)
from .notebook.rollback import (
    choose_way as choose_way,
)
from .notebook.rollback import (
    diagnose_target as diagnose_target,
)
from .notebook.rollback import (
    roll_back as roll_back,
)
from .notebook.rollback import (
    show_carry as show_carry,
)
from .notebook.rollback import (
    show_hooks as show_hooks,
)
from .notebook.rollback import (
    show_losses as show_losses,
)
from .notebook.rollback import (
    show_ways as show_ways,
)
from .notebook.rollback import (
    start_application as start_application,
)
from .notebook.rollback import (
    stop_application as stop_application,
)
from .notebook.run import (
    run_phases as run_phases,
)
from .notebook.session import (
    decide as decide,
)
from .notebook.session import (
    open_run as open_run,
)
from .notebook.signoff import (
    answer_criteria as answer_criteria,
)
from .notebook.signoff import (
    seal_evidence as seal_evidence,
)
from .notebook.signoff import (
    show_approvals as show_approvals,
)
from .notebook.verify import (
    compare_objects as compare_objects,
)
from .notebook.verify import (
    verify_target as verify_target,
)

__all__ = [
    "answer_criteria",
    "apply_step",
    "approve",
    "carry_forward",
    "chart_estimates",
    "chart_indexes",
    "chart_migration",
    "chart_rehearsal",
    "chart_traffic",
    "check_target",
    "choose_way",
    "compare_estimates",
    "compare_objects",
    "decide",
    "diagnose_target",
    "forecast",
    "open_run",
    "rehearse",
    "review_release",
    "roll_back",
    "run_phases",
    "seal_evidence",
    "show_approvals",
    "show_carry",
    "show_findings",
    "show_hooks",
    "show_incidents",
    "show_locks",
    "show_losses",
    "show_observations",
    "show_plan",
    "show_release",
    "show_ways",
    "start_application",
    "stop_application",
    "take_backup",
    "time_indexes",
    "verify_target",
    "watch_metrics",
]
