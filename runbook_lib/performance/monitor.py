"""Measure what PostgreSQL and this machine can tell of the target's health."""

import time
from collections.abc import Iterable

import psutil

from runbook_lib.evidence.records import Metric, Status
from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load
from runbook_lib.release.model import Threshold
from runbook_lib.release.plan import Target

_PAUSE = 0.5  # seconds between samples
_QUERIES = ("metrics_sessions", "metrics_locks", "metrics_database")
_HIDDEN = "not visible to this role: GRANT pg_monitor to it"
_SOURCES = {
    "connection_pool": "client sessions against max_connections",
    "cpu_usage": "this machine, where the embedded server runs",
    "memory_usage": "this machine, where the embedded server runs",
}
_ELSEWHERE = {
    "cpu_usage": "not visible through a database connection: look at the host's metrics",
    "memory_usage": "not visible through a database connection: look at the host's metrics",
    "query_time_p95": "PostgreSQL keeps mean and maximum, no percentiles: look at the APM",
    "error_rate": "known to the application only: look at its metrics",
    "response_time_p95": "known to the application only: look at its metrics",
}
_PLAIN = (
    ("waiting_sessions", "sessions", "pg_locks, not granted"),
    ("longest_query", "ms", "pg_stat_activity, running now"),
    ("cache_hits", "%", "pg_stat_database, since its statistics were reset"),
    ("deadlocks", "deadlocks", "pg_stat_database, since its statistics were reset"),
)
_SERVERS = {"connection_pool", *(name for name, *_ in _PLAIN)}


def measure(
    connection: Connection, target: Target, thresholds: Iterable[Threshold], samples: int
) -> tuple[Metric, ...]:
    """Sample the metrics and keep the worst of each beside its threshold.

    What cannot be seen from here has no value and says where to look; nothing is estimated.
    """
    worst: dict[str, float] = {}
    for number in range(samples):
        if number:
            time.sleep(_PAUSE)
        seen = {**_visible(connection), **(_machine() if target.embedded else {})}
        for name, value in seen.items():
            better = min if name == "cache_hits" else max
            worst[name] = better(worst.get(name, value), value)
    limited = tuple(_against(item, worst.get(item.name)) for item in thresholds)
    plain = tuple(
        _plain(name, worst.get(name), unit, source)
        for name, unit, source in _PLAIN
        if name not in {item.name for item in limited}
    )
    return (*limited, *plain)


def _visible(connection: Connection) -> dict[str, float]:
    """Return what the role may see of the server's metrics, by name."""
    rows = [row for query in _QUERIES for row in connection.seen(load(query)) or ()]
    return {name: value for row in rows for name, value in row.items() if value is not None}


def _plain(name: str, value: float | None, unit: str, source: str) -> Metric:
    if value is None:
        return Metric(name, "database", None, None, unit, Status.NOT_MEASURED, _HIDDEN)
    return Metric(name, "database", value, None, unit, Status.PASS, source)


def _machine() -> dict[str, float]:
    return {
        "cpu_usage": psutil.cpu_percent(interval=0.2),
        "memory_usage": psutil.virtual_memory().percent,
    }


def _against(threshold: Threshold, value: float | None) -> Metric:
    if value is None:
        hidden = _HIDDEN if threshold.name in _SERVERS else "not visible from here"
        source = _ELSEWHERE.get(threshold.name, hidden)
        status = Status.NOT_MEASURED
    else:
        source = {**_SOURCES, **{name: text for name, _, text in _PLAIN}}[threshold.name]
        status = Status.WARN if value > threshold.above else Status.PASS
    return Metric(
        threshold.name, threshold.scope, value, threshold.above, threshold.unit, status, source
    )
