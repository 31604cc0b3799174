"""Choose and order the tests: one of each kind is quick to ask, what takes long begins first."""

from operator import attrgetter
from types import SimpleNamespace

import pytest


def _kind(item: pytest.Function, names: tuple[str, ...]) -> tuple[object, ...]:
    """Return what a case has in common with the others of its kind."""
    given = SimpleNamespace(**item.callspec.params)
    shared = (attrgetter(name)(given) for name in names)
    return (item.path, item.originalname, *map(repr, shared))


def _short(item: pytest.Item) -> bool:
    """Tell whether a test is one of many short ones; a group shares what takes long to make."""
    return not any(item.get_closest_marker(name) for name in ("slow", "xdist_group"))


@pytest.hookimpl(tryfirst=True)  # before pytest looks at -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all but the first case of each kind as slow; let what takes long begin first.

    ``one_of_each`` names the parameters, or attributes of them, that make a kind.
    """
    seen = set[tuple[object, ...]]()
    for item in items:
        mark = item.get_closest_marker("one_of_each")
        if mark is None or not isinstance(item, pytest.Function):
            continue
        kind = _kind(item, mark.args)
        if kind in seen:
            item.add_marker(pytest.mark.slow)
        seen.add(kind)
    items.sort(key=_short)
