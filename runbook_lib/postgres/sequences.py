"""Read how far sequences have counted, and let none fall behind."""

from dataclasses import dataclass

from runbook_lib.postgres.connection import SQL, Connection
from runbook_lib.postgres.queries import load


@dataclass(frozen=True)
class Sequence:
    """Hold a sequence; ``last`` is the value before the one that it hands out next.

    Its other numbers are those of CREATE SEQUENCE.
    """

    oid: int
    schema: str
    name: str
    start: int
    increment: int
    smallest: int
    largest: int
    last: int

    @property
    def qualified(self) -> str:
        """Return ``schema.name``, without quotes."""
        return f"{self.schema}.{self.name}"

    @property
    def count(self) -> int:
        """Return how many values it has handed out since its start."""
        return max((self.last - self.start) // self.increment + 1, 0)

    def behind(self, other: "Sequence") -> int:
        """Count the values that it would hand out once more of those that another one has."""
        if (self.increment > 0) != (other.increment > 0):
            return other.count
        return max((other.last - self.last) // self.increment, 0)

    def reaches(self, other: "Sequence") -> bool:
        """Tell whether it may be set to where another one stands."""
        return self.smallest <= other.last <= self.largest


def read_sequences(connection: Connection) -> list[Sequence]:
    """Return the sequences that this role may read, by name, but for temporary ones."""
    found = connection.rows(load("sequences"))
    if not found:
        return []
    reads = [SQL("({})").format(SQL(row.pop("read"))) for row in found]
    stand = connection.value(SQL("SELECT ARRAY[{}]").format(SQL(", ").join(reads)))
    return [
        Sequence(**row, last=value if called else value - row["increment"])
        for row, (value, called) in zip(found, stand, strict=True)
    ]
