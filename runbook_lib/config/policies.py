"""What an environment allows and demands, nested by purpose; each field says what it does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from runbook_lib.config.setting import Setting, Text

_DAY = 86_400
_LONGEST = 2_147_483  # seconds; PostgreSQL's timeouts are milliseconds in 32 bits
_MILLISECOND = 0.001  # PostgreSQL takes 0 as "wait forever"


@dataclass(frozen=True)
class Locks:
    """Bound how long the runbook waits for locks, and so how long writes queue behind it."""

    timeout: Annotated[
        float,
        Setting("how long a statement waits for a lock", "seconds", _MILLISECOND, _LONGEST),
    ] = 5.0
    tries: Annotated[
        int, Setting("how often in all a transaction that a lock stops is tried", "", 1, 10_000)
    ] = 10
    pause: Annotated[float, Setting("the longest pause between two tries", "seconds", 0, _DAY)] = (
        30.0
    )
    runner_wait: Annotated[
        float,
        Setting("how long another runner on the same database is waited for", "seconds", 0, _DAY),
    ] = 30.0
    long_transaction: Annotated[
        float,
        Setting("a transaction open for longer is a finding of the prechecks", "seconds", 0, _DAY),
    ] = 60.0


@dataclass(frozen=True)
class Statements:
    """Bound how long a statement runs, and choose what is done in a transaction of its own."""

    timeout: Annotated[
        float,
        Setting(
            "how long a statement runs; not for concurrent index builds, which stop nobody",
            "seconds",
            _MILLISECOND,
            _LONGEST,
        ),
    ] = 1800.0
    foreign_keys_apart: Annotated[
        bool,
        Setting(
            "take foreign keys to older tables with rows out of their file's transaction: "
            "NOT VALID, then VALIDATE, each alone"
        ),
    ] = True
    reconnect_wait: Annotated[
        float,
        Setting(
            "how long a lost server is looked for to learn how a COMMIT ended; and, 10 s at least, "
            "how long the server keeps a transaction of which it hears nothing",
            "seconds",
            0,
            _DAY,
        ),
    ] = 30.0


@dataclass(frozen=True)
class Indexes:
    """Say how indexes on older tables with rows are built."""

    concurrent: Annotated[bool, Setting("build them CONCURRENTLY, whatever the file says")] = True
    lanes: Annotated[
        int,
        Setting(
            "how many tables have their indexes built side by side; 0: as many as the server's "
            "cores, where they can be seen",
            "tables",
            0,
            64,
        ),
    ] = 0
    memory: Annotated[
        str,
        Setting(
            "maintenance_work_mem of each build; empty: the server's",
            pattern=r"([1-9]\d{0,8} ?(kB|MB|GB|TB))?",
            words='an amount as "256MB"',
        ),
    ] = ""
    workers: Annotated[
        int,
        Setting(
            "how many parallel workers each build has; 0 leaves the processors to the traffic, "
            "-1 takes the server's setting",
            "workers",
            -1,
            1024,
        ),
    ] = 0
    rest: Annotated[
        float,
        Setting(
            "after a build its lane rests so many times as long as it took, a minute at most",
            "",
            0,
            100,
        ),
    ] = 0.25
    wait: Annotated[
        float,
        Setting("a build that waits longer for other sessions is given up", "seconds", 0, _LONGEST),
    ] = 600.0


@dataclass(frozen=True)
class Health:
    """Say beyond what the runbook pauses between transactions, and then stops."""

    wait: Annotated[float, Setting("how long it pauses before it stops", "seconds", 0, _DAY)] = 60.0
    replica_lag: Annotated[
        float, Setting("it pauses while a replica lags more", "seconds", 0, _LONGEST)
    ] = 30.0
    waiting_sessions: Annotated[
        int, Setting("it pauses while more sessions wait for locks", "sessions", 0, 1_000_000)
    ] = 20
    write_latency: Annotated[
        float, Setting("it pauses while a tiny write takes longer", "seconds", _MILLISECOND, _DAY)
    ] = 1.0
    disk_free: Annotated[
        int,
        Setting(
            "it pauses while less is left on a disk of the server that can be seen; a dump "
            "stops before less is left here",
            "megabytes",
            0,
            1_000_000_000,
        ),
    ] = 512


@dataclass(frozen=True)
class Backups:
    """Say how the backup is made, and which are kept.

    ``custom`` with ``gzip:9`` is ``pg_dump --format=custom --compress=9``.
    """

    format: Annotated[
        Literal["directory", "custom"],
        Setting("a directory, which several sessions write and read side by side, or one file"),
    ] = "directory"
    compression: Annotated[
        str,
        Setting(
            "how it is compressed; empty: the first of zstd, lz4 and gzip that pg_dump supports",
            pattern=r"((zstd|lz4|gzip)(:\d{1,2})?)?",
            words='zstd, lz4 or gzip, with a level as in "gzip:9", or empty',
        ),
    ] = ""
    jobs: Annotated[
        int,
        Setting(
            "how many sessions dump; 0: as many as the cores here; fewer where the connection "
            "limits of role, database or server want it",
            "sessions",
            0,
            1024,
        ),
    ] = 0
    kept: Annotated[
        int, Setting("how many backups of a database stay; 0: all", "backups", 0, 1_000_000)
    ] = 0
    copy: Annotated[
        str,
        Setting(
            "an fsspec URL to which each backup is copied and where it is read back; its "
            "credentials come from the environment",
            may_hold_secret=True,
        ),
    ] = ""
    restore_point: Annotated[
        bool, Setting("mark the WAL after the dump, so that a recovery can end there")
    ] = False


@dataclass(frozen=True)
class Rehearsals:
    """Say what the rehearsal has to prove."""

    required: Annotated[
        bool, Setting("the migration waits for a rehearsal of this plan on this backup")
    ] = False
    data: Annotated[
        Literal["full", "schema"],
        Setting("restore the rows as well, or the schema alone: then what rows break is not found"),
    ] = "full"
    compare_whole: Annotated[
        int,
        Setting(
            "of a larger table that is written anew, one of 64 rows is compared to count what is "
            "lost; beside the copy there has to be room for another one",
            "megabytes",
            0,
            1_000_000_000,
        ),
    ] = 10_000
    writes_wait: Annotated[
        float,
        Setting("a lock that stops the writes longer fails the rehearsal", "seconds", 0, _DAY),
    ] = 10.0


@dataclass(frozen=True)
class Approving:
    """Say whose word a migration waits for."""

    roles: Annotated[
        tuple[Text, ...], Setting("those who have to approve the plan, each by name")
    ] = ()
    confirm: Annotated[bool, Setting("somebody types the database's name")] = False


@dataclass(frozen=True)
class Notebooks:
    """Say how many notebooks a long release is kept in."""

    files: Annotated[
        int,
        Setting(
            "where more than 20 files are pending, so many of them share an executed notebook; "
            "each is applied, and recorded, by itself",
            "files",
            1,
            1_000,
        ),
    ] = 200


@dataclass(frozen=True)
class Monitoring:
    """Say how the target is watched after the migration."""

    samples: Annotated[int, Setting("how often each metric is read", "samples", 1, 10_000)] = 2


@dataclass(frozen=True)
class SigningOff:
    """Say what a run's sign-off waits for, besides what was measured."""

    required: Annotated[
        bool,
        Setting(
            "a run is over only when it is signed off: until then a headless one ends with an exit "
            "status that is not 0, and the next one goes on with the same run"
        ),
    ] = False
    sections: Annotated[
        tuple[Text, ...],
        Setting("the sections of the release's checklists that are answered; empty: all"),
    ] = ()
    roles: Annotated[
        tuple[Text, ...],
        Setting("those who approve the release at its end; empty: the roles that it names"),
    ] = ()


@dataclass(frozen=True)
class Policy:
    """Hold what an environment allows and demands."""

    locks: Locks = Locks()
    statements: Statements = Statements()
    indexes: Indexes = Indexes()
    health: Health = Health()
    backup: Backups = Backups()
    rehearsal: Rehearsals = Rehearsals()
    approvals: Approving = Approving()
    monitor: Monitoring = Monitoring()
    signoff: SigningOff = SigningOff()
    notebooks: Notebooks = Notebooks()


FLAT: Mapping[str, str] = {
    "lock_timeout": "locks.timeout",
    "lock_tries": "locks.tries",
    "lock_pause": "locks.pause",
    "runner_lock_wait": "locks.runner_wait",
    "long_transaction": "locks.long_transaction",
    "statement_timeout": "statements.timeout",
    "foreign_keys_apart": "statements.foreign_keys_apart",
    "reconnect_wait": "statements.reconnect_wait",
    "concurrent_indexes": "indexes.concurrent",
    "index_lanes": "indexes.lanes",
    "index_memory": "indexes.memory",
    "index_workers": "indexes.workers",
    "build_rest": "indexes.rest",
    "build_wait": "indexes.wait",
    "health_wait": "health.wait",
    "replica_lag": "health.replica_lag",
    "waiting_sessions": "health.waiting_sessions",
    "write_latency": "health.write_latency",
    "disk_free": "health.disk_free",
    "backup_format": "backup.format",
    "backup_compression": "backup.compression",
    "backup_jobs": "backup.jobs",
    "backups_kept": "backup.kept",
    "backup_copy": "backup.copy",
    "restore_point": "backup.restore_point",
    "rehearsal_required": "rehearsal.required",
    "rehearsal_data": "rehearsal.data",
    "writes_wait": "rehearsal.writes_wait",
    "confirm": "approvals.confirm",
    "approvals": "approvals.roles",
    "monitor_samples": "monitor.samples",
}
"""Where the keys went that stood side by side before policies were nested."""
