"""Write what takes created objects back and sets changed ones back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from runbook_lib.parser.identifiers import (
    NOUNS,
    OF_A_RELATION,
    ORDER,
    RELATIONS,
    TABLES,
    WHOLE,
    last,
    owner,
    parts,
    quote,
    signature,
    split,
)
from runbook_lib.postgres.snapshot import Setting, Snapshot

OWNER, DEFINITION, LABELS, GENERATED = "owner", "definition", "labels", "generated"
Name = tuple[str, str]  # what is set, and the key of what it is set on
# What is set otherwise, on which key, and how it is set before and now.
Differing = tuple[str, str, Setting | None, Setting | None]
_VIEWS = ("view", "materialized view")
# Names are given back from the outside to the inside: what is inside is named by it.
_ROUNDS: tuple[Sequence[str], ...] = (
    ("schema",),
    RELATIONS,
    ("sequence", "function", "domain", "enum", "range", "type", "statistics"),
    ("column", "constraint"),
    ("index", "trigger", "policy", "rule"),
)


@dataclass(frozen=True)
class Undo:
    """Hold a statement that takes one thing back; ``key`` is that thing's in a snapshot.

    ``apart`` drops an index concurrently, in no transaction; ``table`` is the index's.
    """

    key: str
    sql: str
    apart: str = ""
    table: str = ""


def drops(made: Set[str], objects: Mapping[str, str]) -> tuple[Undo, ...]:
    """Return what drops the objects with these keys of a snapshot's ``objects``.

    What goes with its table, view, domain or constraint has no drop of its own.
    """
    whole = {name for key in made for kind, name in [split(key)] if kind in WHOLE}
    found = []
    for key in sorted(made):
        kind, name = split(key)
        foreign = kind == "constraint" and objects[key].startswith("FOREIGN KEY")
        goes_along = kind in OF_A_RELATION and owner(name) in whole
        if (goes_along and not foreign) or (kind == "index" and f"constraint {name}" in made):
            continue
        place = ORDER.index("foreign key" if foreign else kind)
        found.append((place, _drop(key, kind, name, part_of(name, objects))))
    return tuple(drop for _, drop in sorted(found, key=lambda item: item[0]))


def part_of(name: str, objects: Mapping[str, str]) -> str:
    """Return the kind of what a column or constraint belongs to: a table, a domain or a type."""
    return next((of for of in ("domain", "type") if f"{of} {owner(name)}" in objects), "table")


def _drop(key: str, kind: str, name: str, of: str) -> Undo:
    """Return the drop of one object; ``of`` is what a column or constraint belongs to."""
    if kind in {"column", "constraint"}:
        part = "ATTRIBUTE" if of == "type" else kind.upper()
        sql = f"ALTER {of.upper()} {owner(name)} DROP {part} IF EXISTS {last(name)}"
    elif kind == "index":
        schema = parts(name)[0]
        sql = f"DROP INDEX IF EXISTS {schema}.{last(name)}"
        apart = f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{last(name)}"
        return Undo(key, sql, apart, owner(name))
    elif kind in {"trigger", "policy", "rule"}:
        sql = f"DROP {kind.upper()} IF EXISTS {last(name)} ON {owner(name)}"
    elif kind == "user mapping":
        role, _, server = name.partition(" on server ")
        sql = f"DROP USER MAPPING IF EXISTS FOR {role} SERVER {quote(server)}"
    else:
        sql = f"DROP {NOUNS[kind]} IF EXISTS {name}"
    return Undo(key, sql)


def tables(made: Set[str]) -> tuple[str, ...]:
    """Return the created tables and partitions, quoted: what holds rows of its own."""
    return tuple(name for key in sorted(made) for kind, name in [split(key)] if kind == "table")


def columns(made: Set[str], objects: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return table and name of the columns created on tables that are older, quoted."""
    whole = {name for key in made for kind, name in [split(key)] if kind in WHOLE}
    whole |= {
        name
        for key in objects
        for kind, name in [split(key)]
        if kind in {"type", "view", "materialized view"}
    }
    return tuple(
        (owner(name), last(name))
        for key in sorted(made)
        for kind, name in [split(key)]
        if kind == "column" and owner(name) not in whole
    )


def moves(before: Snapshot, now: Snapshot, marks: Set[str]) -> tuple[Undo, ...]:
    """Return what gives moved and renamed objects their names back: the outermost of them.

    What is inside is seen under its new place once those are back, and so comes with a next call.
    """
    pairs = [
        (now.addresses[address], key)
        for address, key in before.addresses.items()
        if address in marks and now.addresses.get(address, key) != key
    ]
    for kinds in _ROUNDS:
        found = [pair for pair in pairs if split(pair[1])[0] in kinds]
        if found:
            return tuple(Undo(key, _move(have, key, now.objects)) for have, key in sorted(found))
    return ()


def rename(key: str, name: str, objects: Mapping[str, str]) -> str:
    """Return the statement that gives an object another name where it is."""
    kind, own = split(key)
    outer = owner(own) if kind in OF_A_RELATION else parts(own)[0]
    return _move(key, f"{kind} {outer}.{name}", objects)


def _move(have: str, want: str, objects: Mapping[str, str]) -> str:
    kind, name = split(have)
    wanted = split(want)[1]
    if kind == "schema":
        return f"ALTER SCHEMA {name} RENAME TO {wanted}"
    if kind in {"column", "constraint"}:
        of = part_of(name, objects)
        part = "ATTRIBUTE" if of == "type" else kind.upper()
        return f"ALTER {of.upper()} {owner(name)} RENAME {part} {last(name)} TO {last(wanted)}"
    if kind == "index":
        return f"ALTER INDEX {parts(name)[0]}.{last(name)} RENAME TO {last(wanted)}"
    if kind in {"trigger", "policy", "rule"}:
        return f"ALTER {kind.upper()} {last(name)} ON {owner(name)} RENAME TO {last(wanted)}"
    schema, own, arguments = signature(name)
    other_schema, other, _ = signature(wanted)
    noun = NOUNS[kind]
    statements = []
    if own != other:
        statements.append(f"ALTER {noun} {schema}.{own}{arguments} RENAME TO {other}")
    if schema != other_schema:
        statements.append(f"ALTER {noun} {schema}.{other}{arguments} SET SCHEMA {other_schema}")
    return "; ".join(statements)


@dataclass(frozen=True)
class Changes:
    """Hold what differs, by key, where every object has the name that it had before.

    ``made`` is new; ``gone`` was there; ``remade`` can only be dropped and created again;
    ``settings`` are what is set otherwise on older objects.
    """

    before: Snapshot
    now: Snapshot
    marks: Set[str]
    made: frozenset[str]
    gone: frozenset[str]
    remade: frozenset[str]
    settings: tuple[Differing, ...]

    @property
    def dropped(self) -> frozenset[str]:
        """Return the keys of all that is dropped."""
        return self.made | self.remade

    @property
    def enums(self) -> tuple[str, ...]:
        """Return the enums whose labels are others now."""
        return tuple(
            key
            for what, key, was, is_now in self.settings
            if what == LABELS and was and is_now and key not in self.dropped
        )

    def ways_back(self) -> tuple[Undo, ...]:
        """Return what sets back, what drops, and what creates again, in this order."""
        return (*self._set_back(), *drops(self.dropped, self.now.objects), *self._created_again())

    def stuck(self, done: Iterable[Undo]) -> tuple[str, ...]:
        """Return the keys of what is another now and has no way back among these."""
        ways = {item.key for item in done} | set(self.enums)
        left = {x for x in self.changed() if x not in ways and not _view_of(x) & ways}
        return tuple(sorted(left | self._emptied()))

    def _emptied(self) -> set[str]:
        """Return what held data and is gone, though something of its name may be there again."""
        gone = {
            key
            for address, key in self.before.addresses.items()
            if address in self.marks and address not in self.now.addresses
        }
        views = {name for x in self.before.objects for kind, name in [split(x)] if kind in _VIEWS}
        return {
            key
            for key in gone
            for kind, name in [split(key)]
            if kind in {*TABLES, "sequence"} or (kind == "column" and owner(name) not in views)
        }

    def changed(self) -> tuple[str, ...]:
        """Return the keys of what was there before and is another now, or gone."""
        own = _marked(self.before, self.now, self.marks)
        objects, now = self.before.objects, self.now.objects
        return tuple(sorted(key for key in own & objects.keys() if objects[key] != now.get(key)))

    def again(self, key: str) -> Iterator[Undo]:
        """Yield what gives an object that was created again all that was set on it."""
        for (what, of), setting in by_name(self.before).items():
            if (of == key or key in _view_of(of)) and what not in {DEFINITION, LABELS, GENERATED}:
                yield Undo(key, setting.back)

    def _created_again(self) -> Iterator[Undo]:
        lost = self.gone | self.remade
        found = by_name(self.before).items()
        again = {
            key: setting.back
            for (what, key), setting in found
            if what == DEFINITION and key in lost
        }
        yield from (Undo(key, back) for key, back in again.items())
        for key in again:
            yield from self.again(key)

    def _set_back(self) -> Iterator[Undo]:
        """Yield owners first: who owns something holds all rights on it; then what is to go."""
        rebuilt = {*self.gone, *self.dropped, *self.enums}
        found = [
            (key, what == OWNER, was.back if was else "", is_now.away if is_now else "")
            for what, key, was, is_now in self.settings
            if key not in rebuilt and not _view_of(key) & rebuilt
            if what not in {LABELS, GENERATED}
        ]
        yield from (Undo(key, back) for key, owns, back, _ in found if owns)
        yield from (Undo(key, away) for key, _, _, away in found if away)
        yield from (Undo(key, back) for key, owns, back, _ in found if back and not owns)


def compare(before: Snapshot, now: Snapshot, marks: Set[str]) -> Changes:
    """Tell new, gone and changed objects apart; ``marks`` are those that a run touched."""
    made = created(before, now, marks)
    gone = (_marked(before, now, marks) & before.objects.keys()) - now.objects.keys()
    made_columns = {owner(split(key)[1]) for key in made if key.startswith("column ")}
    remade = set()
    settings = tuple(_differing(before, now, marks))
    for what, key, old, new in settings:
        kind, name = split(key) if key in before.objects else ("", "")
        if what != DEFINITION or old is None or new is None:
            continue
        if kind != "function" and (kind != "view" or name in made_columns):
            remade.add(key)
    inside = {key for key in made | gone if _view_of(key) & (remade | gone)}
    return Changes(
        before=before,
        now=now,
        marks=marks,
        made=made - inside,
        gone=frozenset(gone - inside),
        remade=frozenset(remade),
        settings=settings,
    )


def _view_of(key: str) -> set[str]:
    """Return the keys that the view of a column would have; none for anything else."""
    if not key.startswith("column "):
        return set()
    return {f"{kind} {owner(split(key)[1])}" for kind in _VIEWS}


def created(before: Snapshot, now: Snapshot, marks: Set[str]) -> frozenset[str]:
    """Return the keys of what is new and was touched."""
    new = {
        key
        for address, key in now.addresses.items()
        if address in marks and address not in before.addresses
    }
    return frozenset(new - before.objects.keys())


def _differing(before: Snapshot, now: Snapshot, marks: Set[str]) -> Iterator[Differing]:
    old, new = by_name(before), by_name(now)
    own = _settings_marked(before, now, marks)
    for name in [*old, *(item for item in new if item not in old)]:
        what, key = name
        # A snapshot leaves some objects out: members of extensions, whose definitions are no run's.
        known = key in before.objects or (" " not in key and what != DEFINITION)
        if old.get(name) != new.get(name) and name in own and known:
            yield what, key, old.get(name), new.get(name)


def set_on_database(before: Snapshot, now: Snapshot, marks: Set[str]) -> tuple[str, ...]:
    """Return what sets back what was set on the database itself, which a dump does not hold."""
    found = _differing(before, now, marks)
    mine = [(old, new) for _, key, old, new in found if key.startswith("pg_database/")]
    return tuple(old.back if old else new.away if new else "" for old, new in mine)


def expected(before: Snapshot, now: Snapshot, marks: Set[str]) -> Snapshot:
    """Return the schema as it has to be after the way back: what others changed stays so."""
    own = _marked(before, now, marks)
    keys = before.objects.keys() | now.objects.keys()
    sources = ((key, before if key in own else now) for key in keys)
    objects = {key: item.objects[key] for key, item in sources if key in item.objects}
    return replace(before, objects=objects)


def expected_settings(before: Snapshot, now: Snapshot, marks: Set[str]) -> Mapping[Name, Setting]:
    """Return how all has to be set after the way back, as expected does."""
    own = _settings_marked(before, now, marks)
    there = {name: setting for name, setting in by_name(now).items() if name not in own}
    return there | {name: setting for name, setting in by_name(before).items() if name in own}


def by_name(snapshot: Snapshot) -> Mapping[Name, Setting]:
    """Return what is set by what it is and the key of what it is set on."""
    return {_name(snapshot, mark): setting for mark, setting in snapshot.settings.items()}


def _name(snapshot: Snapshot, mark: str) -> Name:
    address, _, what = mark.partition(" ")
    return what, snapshot.addresses.get(address, address)


def _marked(before: Snapshot, now: Snapshot, marks: Set[str]) -> frozenset[str]:
    """Return the keys that either has of what was touched."""
    pairs = (*before.addresses.items(), *now.addresses.items())
    return frozenset(key for address, key in pairs if address in marks)


def _settings_marked(before: Snapshot, now: Snapshot, marks: Set[str]) -> set[Name]:
    both = before, now
    return {_name(item, mark) for item in both for mark in item.settings.keys() & marks}
