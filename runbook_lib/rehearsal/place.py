"""What a rehearsal's world is made for, and on: a cluster of its own or a server named for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from runbook_lib.config.environments import Environment
from runbook_lib.postgres.connection import Database
from runbook_lib.release.model import Release


class Subject(Protocol):
    """Say what a world is made for: a run, or what is known of one before its plan."""

    @property
    def root(self) -> Path:
        """Return the project's directory."""

    @property
    def environment(self) -> Environment:
        """Return the environment of the target."""

    @property
    def release(self) -> Release:
        """Return the release that goes there."""

    @property
    def database(self) -> Database:
        """Return the target."""


class Place(Protocol):
    """Hold nothing but one rehearsal; ``directory`` is for files that its superuser may read."""

    @property
    def directory(self) -> Path:
        """Return a directory of this machine that goes with the rehearsal."""

    @property
    def major(self) -> int:
        """Return the major version of its PostgreSQL."""

    @property
    def superuser(self) -> str:
        """Return the role that makes everything; no role of the target has its name."""

    @property
    def password(self) -> str:
        """Return what the other roles log in with, empty where none is asked for."""

    @property
    def reaches(self) -> str:
        """Say what outside of it a rehearsal there could reach, empty for nothing."""

    def database(self, dbname: str, user: str = "") -> Database:
        """Return a database of it for one of its roles, its superuser where none is named."""

    def location(self, number: int) -> str:
        """Return where its tablespace of this number lies."""

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Set what a new session has once the configuration is read again."""
