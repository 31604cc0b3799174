"""The words of an environment: where a target is, and what its policy allows and demands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """Hold what an environment allows and demands. Times are in seconds.

    *Locks.* ``lock_timeout`` bounds how long a statement queues for a lock, and so how long writes
    queue behind it; a transaction that it stops is tried ``lock_tries`` times in all, with pauses
    of up to ``lock_pause``. ``foreign_keys_apart`` takes foreign keys to tables with rows out of
    their file's transaction.

    *Indexes.* ``concurrent_indexes`` builds those on older tables with rows CONCURRENTLY,
    ``index_lanes`` tables at a time (0: as many as the server's cores that can be seen), each with
    ``index_memory`` (as maintenance_work_mem, empty: the server's) and ``index_workers`` parallel
    workers: none leaves the processors to the traffic, -1 takes the server's setting. After a build
    its lane rests ``build_rest`` times as long, a minute at most, before the next. A build that
    waits longer than ``build_wait`` for other sessions is given up.

    *Health.* Between transactions the runbook pauses, ``health_wait`` at most, while a replica lags
    more than ``replica_lag``, more than ``waiting_sessions`` wait for locks, a tiny write takes
    longer than ``write_latency``, or less than ``disk_free`` megabytes are left.

    *Backup.* ``backup_format`` is ``directory``, which several sessions write and read side by
    side, or ``custom``, one file. ``backup_compression`` is zstd, lz4 or gzip, with a level as in
    ``gzip:9``; empty takes the first of these that pg_dump supports. ``custom`` with ``gzip:9`` is
    ``pg_dump --format=custom --compress=9``. ``backup_jobs`` sessions dump (0: as many as the cores
    here), fewer where the connection limits of role, database or server want it. A dump stops where
    less than ``disk_free`` megabytes are left here. Of the backups of a database ``backups_kept``
    stay (0: all). ``backup_copy`` is an fsspec URL to which each backup is copied and where it is
    read back; its credentials come from the environment. ``restore_point`` marks the WAL after the
    dump, so that a recovery can end there.

    ``rehearsal_data`` is ``full`` or ``schema``; ``writes_wait`` is how long a lock may stop the
    application's writes in the rehearsal. ``reconnect_wait`` is how long a lost server is looked
    for to learn how a COMMIT ended.
    """

    lock_timeout: float = 5.0
    lock_tries: int = 10
    lock_pause: float = 30.0
    statement_timeout: float = 1800.0
    runner_lock_wait: float = 30.0
    reconnect_wait: float = 30.0
    long_transaction: float = 60.0
    foreign_keys_apart: bool = True
    concurrent_indexes: bool = True
    index_lanes: int = 0
    index_memory: str = ""
    index_workers: int = 0
    build_rest: float = 0.25
    build_wait: float = 600.0
    health_wait: float = 60.0
    replica_lag: float = 30.0
    waiting_sessions: int = 20
    write_latency: float = 1.0
    disk_free: int = 512
    backup_format: str = "directory"
    backup_compression: str = ""
    backup_jobs: int = 0
    backups_kept: int = 0
    backup_copy: str = ""
    restore_point: bool = False
    rehearsal_required: bool = False
    rehearsal_data: str = "full"
    writes_wait: float = 10.0
    confirm: bool = False
    approvals: tuple[str, ...] = ()
    monitor_samples: int = 2


@dataclass(frozen=True)
class Application:
    """Name the commands that stop and start the application, each with ``time_limit`` seconds.

    A command is split into words as a shell does, and runs without one, in the directory of
    ``environments.toml``.
    """

    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    time_limit: float = 60.0


@dataclass(frozen=True)
class Environment:
    """Describe one table of ``environments.toml``: where a target is and what its policy is."""

    name: str
    dbname: str
    embedded: bool
    policy: Policy
    service: str = ""
    url_variable: str = ""
    rehearsal_url_variable: str = ""
    system_identifier: str = ""
    demo_rows: bool = False
    starts_as: str = ""
    scale: float = 1.0
    application: Application = Application()
