"""The words of a release's manifest, ``release.toml``, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Declaration:
    """Hold what the manifest says of one migration."""

    number: int = 0
    purpose: str = ""
    risk: str = ""
    estimate: str = ""
    estimate_minutes: tuple[float, float] | None = None
    requires: tuple[str, ...] = ()
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True)
class IndexEstimate:
    """Hold one row of the brief's table of index creation times."""

    group: str
    tables: tuple[str, ...]
    rows: int
    minutes: tuple[float, float]


@dataclass(frozen=True)
class Variable:
    """Describe an environment variable the release's application needs."""

    name: str
    needed: str
    pattern: str
    meaning: str
    remedy: str
    secret: bool = False


@dataclass(frozen=True)
class Threshold:
    """Hold one alert threshold: a metric that must not go above a value."""

    name: str
    scope: str
    above: float
    unit: str


@dataclass(frozen=True)
class Criterion:
    """Hold one line of the release's checklists and the check that answers it, if one does."""

    section: str
    text: str
    check: str


@dataclass(frozen=True)
class Role:
    """Name a person's role whose approval the release document asks for."""

    name: str
    group: str


@dataclass(frozen=True)
class Acceptance:
    """Silence one hazard rule in one migration, for a reason. ``line`` is the manifest's."""

    rule: str
    migration: str
    reason: str
    line: int
