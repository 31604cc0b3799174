"""Tell whether two texts are one definition, as a server prints it at first and after a restore.

A server prints some definitions otherwise once it has read what it printed: IN over varchar,
BETWEEN, a predicate's casts; and versions print the columns of a view in two ways. So what was
recorded of an object that differs is sent to the server that the restored one is on, in a
transaction that is rolled back. Where it prints the same then, it is the same.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile
from typing import NamedTuple

from runbook_lib.errors import StatementError
from runbook_lib.parser.identifiers import OF_A_RELATION, last, owner, split
from runbook_lib.postgres import snapshot
from runbook_lib.postgres.connection import Connection, Send
from runbook_lib.postgres.snapshot import Difference, Setting, Snapshot
from runbook_lib.rollback import inverse
from runbook_lib.rollback.inverse import DEFINITION, GENERATED

_EXPRESSIONS = {
    "default": re.compile(r" SET DEFAULT (.*)", re.DOTALL),
    GENERATED: re.compile(r" GENERATED ALWAYS AS \((.*)\) (?:STORED|VIRTUAL)$", re.DOTALL),
}
PRINTED = {DEFINITION, *_EXPRESSIONS}
"""What is set by a text that a server may print otherwise."""
_NOT_IN_AN_ARCHIVE = ("pg_database/", "pg_subscription/")
_FIRST_NORMAL = 16384  # the oids below are of what PostgreSQL itself brings
_TOLD = ("comment", "trigger")  # what else is set on an object that its text tells of
_IN_PLACE = ("view ", "function ")  # what CREATE OR REPLACE makes anew, and others refer to

Sets = Mapping[str, Mapping[str, Setting]]
"""What is set, by the key of what it is set on and by what it is."""
Texts = tuple[str, str]
"""A definition as it was recorded, and as it is printed now."""


class _TakenBackError(Exception):
    """Leave a transaction without keeping what it did."""


def as_printed(connection: Connection, recorded: Snapshot, found: Snapshot, send: Send) -> Snapshot:
    """Return what was recorded with the texts that this server prints for the same definitions.

    ``found`` is the schema of the connection's database. Nothing of it is changed: what is sent is
    rolled back. Both snapshots have their settings.
    """
    sent = _Sent(connection, send, _sets(recorded), _sets(found), found)
    differing = [x for x in snapshot.difference(recorded, found) if sent.comparable(x)]
    if not differing:
        return recorded
    proven = sent.proven(differing)
    for item in differing:  # one may have been in the way of another
        if _texts(item) not in proven:
            proven |= sent.proven([item])
    same = {x.key: x.found for x in differing if x.found is not None and _texts(x) in proven}
    return replace(recorded, objects={**recorded.objects, **same})


def set_otherwise(recorded: Snapshot, found: Snapshot) -> Iterator[str]:
    """Yield what is set on the objects of one of them alone: owners, rights, comments, options.

    What is set on a database itself no archive holds, nor, for a plain role, a subscription; whose
    an extension's members are, and so who may use them, follows from who makes it. A statement that
    a server may print otherwise is left to the definitions.
    """
    was, now = _statements(recorded), _statements(found)
    yield from (f"missing: {sql}" for sql in sorted(was - now))
    yield from (f"besides: {sql}" for sql in sorted(now - was))


def _statements(schema: Snapshot) -> set[str]:
    """Return what sets all as it is, which names no number of a catalog."""
    return {
        setting.back
        for mark, setting in schema.recorded().settings.items()
        for address, _, what in [mark.partition(" ")]
        if what not in PRINTED and not address.startswith(_NOT_IN_AN_ARCHIVE)
        if not _of_an_extension(schema, address)
    }


def _of_an_extension(schema: Snapshot, address: str) -> bool:
    """Tell whether it is the address of an extension's member, which a snapshot leaves out.

    What PostgreSQL itself brings has a low number, or its catalog's name before it.
    """
    catalog, oid, _ = address.split("/", 2)
    own = address in schema.addresses or catalog == "pg_default_acl"
    return not own and oid.isdigit() and int(oid) >= _FIRST_NORMAL


class _Sent(NamedTuple):
    """Send definitions as they were recorded to where ``found`` is."""

    connection: Connection
    send: Send
    recorded: Sets
    there: Sets
    found: Snapshot

    def comparable(self, item: Difference) -> bool:
        """Tell whether an object can be sent as a whole, or differs in an expression alone."""
        if item.expected is None or item.found is None:
            return False
        was, now = self.recorded.get(item.key, {}), self.there.get(item.key, {})
        expected, found = item.expected, item.found
        for what in _EXPRESSIONS.keys() & was.keys() & now.keys():
            expected = expected.replace(_expression(what, was), "", 1)
            found = found.replace(_expression(what, now), "", 1)
        return expected == found or not item.key.startswith("column ")

    def proven(self, differing: Sequence[Difference]) -> set[Texts]:
        """Return the texts of those that are printed as they are found once they were sent."""
        found = set[Texts]()
        with suppress(_TakenBackError), self.connection.transaction():
            names = "SET LOCAL search_path = pg_catalog; SET LOCAL check_function_bodies = off"
            self.send(self.connection, names, None)
            self._silence()
            taken = {
                _texts(item): item
                for number, item in enumerate(differing)
                if self._take(self._statements(item.key, number))
            }
            after = snapshot.snapshot_here(self.connection).objects if taken else {}
            found |= {texts for texts, x in taken.items() if self._printed(x, after)}
            raise _TakenBackError
        return found

    def _printed(self, item: Difference, after: Mapping[str, str]) -> bool:
        """Tell whether what was sent is printed as what is there; for a column, one beside it."""
        was, now = self.recorded.get(item.key, {}), self.there.get(item.key, {})
        if GENERATED not in was:
            return after.get(item.key) == item.found
        beside = was[GENERATED].back.partition(" ADD ")[2].partition(" ")[0]
        text = after.get(f"column {owner(split(item.key)[1])}.{beside}", "")
        return f" default {_expression(GENERATED, now)} " in text

    def _silence(self) -> None:
        """Let no event trigger look on, where the role may say so."""
        for key in self.found.objects:
            if key.startswith("event trigger "):
                self._take([f"ALTER EVENT TRIGGER {split(key)[1]} DISABLE"])

    def _statements(self, key: str, number: int) -> list[str]:
        """Return what makes an object as it was recorded beside the one that is there.

        What only its parent can have, such as an inherited constraint, has no statement.
        """
        was, now = self.recorded.get(key, {}), self.there.get(key, {})
        if DEFINITION not in was:
            return [was[what].back for what in _EXPRESSIONS if what in was]
        told = [was[x].back if x in was else now[x].away for x in _TOLD if x in was or x in now]
        again = [was[DEFINITION].back, *filter(None, told)]
        if key.startswith(_IN_PLACE):
            return again
        return [inverse.rename(key, f"runbook_aside_{number}", self.found.objects), *again]

    def _take(self, statements: Sequence[str]) -> bool:
        """Send statements, all or none of them; tell whether there were any and all succeeded."""
        try:
            with self.connection.transaction():
                for sql in statements:
                    self.send(self.connection, sql, None)
        except StatementError:
            return False
        return bool(statements)


def _sets(schema: Snapshot) -> Sets:
    found: dict[str, dict[str, Setting]] = {}
    for (what, key), setting in inverse.by_name(schema).items():
        found.setdefault(key, {})[what] = setting
    return found


def _expression(what: str, sets: Mapping[str, Setting]) -> str:
    return "".join(_EXPRESSIONS[what].findall(sets[what].back))


def _texts(item: Difference) -> Texts:
    """Return both texts without names, and what both end with: a child has them of its parent."""
    kind, name = split(item.key)
    texts = item.expected or "", item.found or ""
    if kind not in OF_A_RELATION or kind == "column":
        return texts
    names = re.compile("|".join(rf"(?<!\w){re.escape(x)}(?!\w)" for x in (owner(name), last(name))))
    expected, found = (names.sub("", text) for text in texts)
    both = zip(reversed(expected), reversed(found), strict=False)
    end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
    return expected[: len(expected) - end], found[: len(found) - end]
