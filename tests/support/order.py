"""Order the tests: what takes long begins first, so that no worker ends with it alone."""

import pytest


def _short(item: pytest.Item) -> bool:
    """Tell whether a test is one of many short ones; a group shares what takes long to make."""
    return not any(item.get_closest_marker(name) for name in ("slow", "xdist_group"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_short)
