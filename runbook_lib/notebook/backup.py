"""The act of 20_backup: take the backup, and show what it holds."""

from dataclasses import asdict

from runbook_lib.backup import dump
from runbook_lib.errors import GateError
from runbook_lib.evidence.run import Run
from runbook_lib.formatting import duration, size
from runbook_lib.notebook.acts import check_act, one_writer
from runbook_lib.notebook.progress import Progress
from runbook_lib.notebook.show import DIGEST_SHOWN, Table
from runbook_lib.postgres import process


@one_writer
def take_backup(run: Run) -> Table:
    """Dump the database, read the dump back, and show what it holds; a run takes one backup."""
    check_act(run, "backup")
    made = run.backup()
    if made is None:
        if len(run.pending()) != len(run.plan.steps):
            message = "Steps of this plan are done: a backup now would not be of the state before."
            raise GateError(message, remedy="Use the backup of the earlier run.")
        with Progress("Backup", 1) as progress:
            made = dump.take_backup(
                run.database,
                run.target,
                run.root / "backups",
                process.run,
                run.policy,
                progress.at,
            )
        content = {**asdict(made), "path": made.path.relative_to(run.root)}
        run.record(True, {"backup": content})
    rows = [
        ("directory", f"{made.path.relative_to(run.root)} (mode 0700, its files 0600)"),
        ("size", f"{size(made.size)} of a database of {size(made.database_size)}"),
        ("took", duration(made.seconds)),
        ("SHA-256 of manifest", made.sha256),
        ("read back", f"{made.entries} entries by pg_restore --list"),
        ("taken with", f"{made.tool}, {made.format} format, {made.compression}, jobs: {made.jobs}"),
        ("WAL position", made.lsn or "not visible to this role"),
        ("restore point", made.restore_point and f"{made.path.name} at {made.restore_point}"),
        ("schema fingerprint", made.schema_fingerprint[:DIGEST_SHOWN]),
        ("rows", f"{sum(made.rows.values()):,} in {len(made.rows)} tables"),
        ("roles and tablespaces", made.without_globals or "globals.sql, without passwords"),
        ("copied to", made.copied_to and f"{made.copied_to}, read back"),
        ("removed, older", ", ".join(made.removed)),
    ]
    rows = [(name, value) for name, value in rows if value]
    caption = f"The backup of {made.dbname} is complete and readable"
    return Table(caption, [{"property": name, "value": value} for name, value in rows])
