"""Say what is another between two plans of a release, so that nobody compares digests."""

from collections.abc import Iterator, Mapping
from dataclasses import fields

from runbook_lib.config.environments import FILE
from runbook_lib.release.plan import Plan, Target


def changes(before: Plan, now: Plan, done: str) -> tuple[str, ...]:
    """Return a clause for each setting, fact of the target and file of the release that changed.

    ``done`` is what was done to the plan before: that it was ``made``, or ``approved``.
    """
    return (
        *_settings(before.settings, now.settings, f"when the plan was {done}"),
        *_target(before, now, f"when the plan was {done}"),
        *_files(before.release_files, now.release_files, f"since the plan was {done}"),
    )


def _settings(before: Mapping[str, str], now: Mapping[str, str], when: str) -> Iterator[str]:
    for key in sorted(before.keys() | now.keys()):
        was, is_ = before.get(key, "not there"), now.get(key, "not there")
        if was == is_:
            continue
        if was.startswith("SHA-256 "):  # it may hold a secret
            yield f"{FILE}: {key} was another {when}"
        else:
            yield f"{FILE}: {key} was {was} {when} and is {is_}"


def _target(before: Plan, now: Plan, when: str) -> Iterator[str]:
    for name in (item.name for item in fields(Target)):
        was, is_ = getattr(before.target, name), getattr(now.target, name)
        if was != is_:
            yield f"the target: {name} was {was} {when} and is {is_}"
    if before.schema_fingerprint != now.schema_fingerprint:
        yield f"the target: its schema was another {when}"


def _files(before: Mapping[str, str], now: Mapping[str, str], since: str) -> Iterator[str]:
    for path in sorted(before.keys() | now.keys()):
        if path not in before:
            yield f"the release: {path} was added {since}"
        elif path not in now:
            yield f"the release: {path} was taken out {since}"
        elif before[path] != now[path]:
            yield f"the release: {path} was changed {since}"
