"""Connect to PostgreSQL: the only module that imports psycopg and makes SQLAlchemy engines.

A statement that is not a constant is composed: ``SQL("DROP INDEX {}").format(Identifier(schema,
name))``. psycopg quotes what is put in; `parser.identifiers.quote` is for texts made without a
server.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

import psycopg
import psycopg.sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import ConnectionTimeout, LockNotAvailable
from psycopg.rows import dict_row, tuple_row

from runbook_lib.errors import ConfigError, Named, SqlState, StatementError, TargetError
from runbook_lib.postgres.blockers import describe_blockers
from runbook_lib.postgres.password import PasswordCommand
from runbook_lib.postgres.queries import load
from runbook_lib.postgres.question import Question
from runbook_lib.redaction import keep_secret, redact, without_quoted, without_values

if TYPE_CHECKING:
    import sqlalchemy
    from psycopg.abc import PQGen

SQL = psycopg.sql.SQL
Identifier = psycopg.sql.Identifier
Literal = psycopg.sql.Literal
Composable = psycopg.sql.Composable
Composed = psycopg.sql.Composed
Query = str | psycopg.sql.SQL | psycopg.sql.Composed
Row = dict[str, Any]
_T = TypeVar("_T")
RUNNER_LOCK = 72707369  # the session advisory lock that Prisma's engine takes
_ABOUT_ROWS = {"23", "44"}  # the classes of violated constraints and of WITH CHECK OPTION
_ABOUT_VALUES = "22"  # the class of values that a type does not take
_LOOK = 0.1  # seconds between two looks of a session that waits
_DEFAULTS = "SELECT array_agg(s::text ORDER BY s::text)::text FROM pg_catalog.pg_db_role_setting s"
_APPLICATION = "migration runbook"
_CLOSED = {SqlState.INSUFFICIENT_PRIVILEGE, SqlState.FEATURE_NOT_SUPPORTED}
_SETTINGS: dict[str, Any] = {
    "application_name": _APPLICATION,
    "client_encoding": "UTF8",  # that of the files; a database's own may be anything
}
_BOUNDS = {  # seconds, tcp_user_timeout in milliseconds: whoever is silent for 30 s is lost
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_ANY = "PGTARGETSESSIONATTRS"  # where it says any, as libpq does of itself, a person has said so
_OWN_BOUNDS = {"lock_timeout": "10000", "statement_timeout": "3600000"}  # of own sessions, in ms
_OF_SERVER = {  # what the server calls its half of them
    "keepalives_idle": "tcp_keepalives_idle",
    "keepalives_interval": "tcp_keepalives_interval",
    "keepalives_count": "tcp_keepalives_count",
    "tcp_user_timeout": "tcp_user_timeout",
}
REPLACER = f"{_APPLICATION}, pg_restore"  # the name of a session that restores in place
DUMPER = f"{_APPLICATION}, pg_dump"  # the name of those that dump


class _Asking(psycopg.Connection[Row]):
    """Ask about an answer that is late: a black hole never says so, nor a lock who holds it.

    In seconds: after ``patience`` it asks whether the answer is lost, after half of
    ``lock_timeout`` who is in the way. ``silence`` is how the server bounds that of the network.
    """

    patience = lock_timeout = 0.0
    answer_lost: Callable[[], bool] = staticmethod(lambda: True)
    find_blockers: Callable[[], Sequence[Row]] = staticmethod(tuple)
    silence: Mapping[str, str]

    def wait(
        self, gen: "PQGen[_T]", interval: float = _LOOK, timeout: float | None = None
    ) -> _T:  # every wait for the server passes here
        return super().wait(self._asked(gen), interval, timeout)

    def _asked(self, gen: "PQGen[_T]") -> "PQGen[_T]":
        lost = Question(self.patience, 1, self.answer_lost)
        way = Question(self.lock_timeout / 2, 2, self.find_blockers)
        blockers: Sequence[Row] = ()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready:
                    blockers = way.answer() or blockers
                    self._end_if(lost.answer())
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: _T = end.value
            return answer
        except LockNotAvailable as error:
            if blockers:
                error.add_note(f"It waited for {describe_blockers(blockers)}.")
            raise

    def _end_if(self, lost: bool | None) -> None:
        if lost:
            self.pgconn.finish()
            raise ConnectionTimeout(f"no answer came within {self.patience:g} s")


class Connection:
    """Run SQL in one session, in autocommit unless inside ``transaction``.

    Every error of the server leaves as StatementError with its SQLSTATE; a connection that is
    lost leaves as TargetError.
    """

    def __init__(self, raw: _Asking) -> None:
        self._raw = raw
        self.pid = raw.info.backend_pid  # of the server's process; libpq forgets it with the loss
        self.temporary_bytes = 0  # of the temporary files that the server told of
        self._closed = set[str]()  # what was refused once is not asked for again
        raw.add_notice_handler(self._noticed)

    def _noticed(self, notice: "psycopg.errors.Diagnostic") -> None:
        text = notice.message_primary or ""
        if text.startswith("temporary file: "):
            self.temporary_bytes += int(text.rpartition(" ")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Tell whether the session has ended."""
        return self._raw.closed

    def close(self) -> None:
        """End the session."""
        self._raw.close()

    def renew(self) -> "Connection":
        """Return the session as a new one: settings, temporary tables and locks are gone."""
        self.execute("DISCARD ALL")
        self._raw.remove_notice_handler(self._noticed)
        return Connection(self._raw)

    def cancel(self) -> None:
        """Ask the server to cancel what this session runs; another thread may ask."""
        self._raw.cancel_safe()

    @property
    def password(self) -> str:
        """Return the password this session was opened with, wherever libpq found it."""
        return self._raw.info.password or ""

    @property
    def server_major(self) -> int:
        """Return the major version of the server."""
        return self._raw.info.server_version // 10000

    def rows(self, sql: Query, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return all rows of a query, each a dict by column name."""
        with _translated(self._raw, sql):
            cursor = self._raw.execute(sql, parameters)
            return cursor.fetchall()

    def seen(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row] | None:
        """Return the rows of a query, None where this role may not look or this service has none.

        The prechecks say what is not done without them. A transaction that is open goes on.
        """
        if sql in self._closed:
            return None
        try:
            with self.transaction() if self.in_transaction() else nullcontext():
                return self.rows(sql, parameters)
        except StatementError as error:
            if error.sqlstate not in _CLOSED:
                raise
        self._closed.add(sql)
        return None

    def value(self, sql: Query, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the one value of a query's only row."""
        (row,) = self.rows(sql, parameters)
        (value,) = row.values()
        return value

    def execute(self, sql: Query, parameters: Mapping[str, Any] | None = None) -> int:
        """Execute a statement and return the rows it touched, -1 where that is not known.

        Without parameters nothing is interpolated: a ``%`` in a migration stays what it is.
        """
        with _translated(self._raw, sql):
            return self._raw.execute(sql, parameters).rowcount

    @property
    def silence(self) -> Mapping[str, str]:
        """Return the server's settings that bound the silence of the network as ours do."""
        return self._raw.silence

    def set(self, settings: Mapping[str, str]) -> None:
        """Set for the session what this server knows of these."""
        self.rows(load("session_settings"), by_name(settings))
        if "lock_timeout" in settings:
            self._raw.lock_timeout = int(settings["lock_timeout"]) / 1000

    def copy(self, read: Query, into: "Connection", write: Query) -> None:
        """Stream the rows of one session's COPY TO STDOUT into another's COPY FROM STDIN."""
        with (
            _translated(self._raw),
            _translated(into._raw),
            self._raw.cursor().copy(read) as rows,
            into._raw.cursor().copy(write) as written,
        ):
            for data in rows:
                written.write(data)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in one transaction; an exception rolls it back."""
        with _translated(self._raw), self._raw.transaction():
            yield

    def in_transaction(self) -> bool:
        """Tell whether the session is inside a transaction block."""
        return self._raw.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE

    def rollback(self) -> None:
        """Leave a transaction block that the SQL itself opened."""
        if not self._raw.closed:
            self.execute("ROLLBACK")


@contextmanager
def _translated(raw: _Asking, sql: Query = "") -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        message = _primary(error, sql).rstrip(".")
        notes = getattr(error, "__notes__", ())
        details = [text for text in (_detail(error, sql), error.diag.message_hint, *notes) if text]
        if raw.closed or raw.broken:
            raise TargetError(
                f"The connection to the server was lost: {redact(message.splitlines()[0])}.",
                sqlstate=error.sqlstate,
                remedy="Run again: the runbook reads from the server where it stands.",
            ) from error
        first = f"{message[:1].upper()}{message[1:]}."
        position = int(error.diag.statement_position or 0)
        text = redact(" ".join([first, *details]))
        raise StatementError(
            text, sqlstate=error.sqlstate, position=position, named=_named(error)
        ) from error


def _primary(error: psycopg.Error, sql: Query) -> str:
    """Return what an error says first, without the value of a row that it tells."""
    said = error.diag.message_primary or str(error).strip()
    return without_quoted(said, text_of(sql)) if _kind(error) == _ABOUT_VALUES else said


def _detail(error: psycopg.Error, sql: Query) -> str:
    """Return the detail of an error, without the values of a row that it tells."""
    detail = error.diag.message_detail or ""
    if _kind(error) == _ABOUT_VALUES:
        return without_quoted(detail, text_of(sql))
    return without_values(detail) if _kind(error) in _ABOUT_ROWS else detail


def _named(error: psycopg.Error) -> Named:
    diag = error.diag
    found = diag.schema_name, diag.table_name, diag.column_name, diag.constraint_name
    return Named(*(name or "" for name in found))


def _kind(error: psycopg.Error) -> str:
    return (error.sqlstate or "")[:2]


def _connected(parameters: Mapping[str, str]) -> _Asking:
    return _Asking.connect(
        **{**_SETTINGS, **parameters},
        autocommit=True,
        row_factory=dict_row,
        prepare_threshold=None,
    )


@dataclass(frozen=True)
class _Beside:
    """Ask from a session of its own about another one, ``pid``, that waits for its answer."""

    where: Mapping[str, str] = field(repr=False)
    pid: int
    patience: float

    def answer_lost(self) -> bool:
        """Tell whether no answer can come any more: silence here tells it as well."""
        try:
            (row,) = self._rows("answer_lost")
        except ConnectionTimeout:
            return True
        except psycopg.Error:
            return False  # the server answers, and does not let this session in
        return bool(row["lost"])

    def blockers(self) -> Sequence[Row]:
        """Return who keeps the session waiting, nobody where that cannot be asked."""
        with suppress(psycopg.Error):
            return self._rows("blockers")
        return ()

    def _rows(self, query: str) -> list[Row]:
        with _connected(self.where) as raw:
            raw.patience = self.patience
            raw.execute("SET search_path = pg_catalog")
            parameters = {"pid": self.pid, "pids": [self.pid], "own": raw.info.backend_pid}
            return raw.execute(load(query), parameters).fetchall()


Send = Callable[[Connection, Query, Mapping[str, Any] | None], int]
"""How a statement is sent: plainly, or on a target as ``evidence.sender`` journals it."""


@dataclass(frozen=True)
class Database:
    """Say where a database is, in libpq's keywords. The password is not shown by ``repr``.

    ``command`` gives it anew for each session, where one is named.
    """

    parameters: Mapping[str, str] = field(repr=False)
    command: PasswordCommand | None = None

    @classmethod
    def from_url(cls, url: str, variable: str) -> Self:
        """Read a URL or conninfo string; ``variable`` is what an error names, never the value."""
        try:
            found = conninfo_to_dict(url)
        except psycopg.Error:
            message = f"The value of {variable} is not a PostgreSQL URL."
            remedy = "Write it as postgresql://user@host:port/dbname."
            raise ConfigError(message, remedy=remedy) from None
        return cls({key: str(value) for key, value in found.items() if value is not None})

    @property
    def dbname(self) -> str:
        """Return the database's name, empty where libpq decides."""
        return self.parameters.get("dbname", "")

    @property
    def password(self) -> str:
        """Return the password for one session, empty where libpq finds its own.

        Raises TargetError where the command for it fails.
        """
        return self.command.password() if self.command else self.parameters.get("password", "")

    def on(self, dbname: str) -> "Database":
        """Return another database of the same server."""
        return self.having(dbname=dbname)

    def having(self, **parameters: str) -> "Database":
        """Return it with other values of some of libpq's keywords."""
        return replace(self, parameters={**self.parameters, **parameters})

    def conninfo(self) -> str:
        """Return a conninfo string for PostgreSQL's programs, without the password."""
        return make_conninfo("", **{k: v for k, v in self._bounded().items() if k != "password"})

    def tool_environment(self) -> dict[str, str]:
        """Return the variables that carry the password to PostgreSQL's programs."""
        password = self.password
        return {"PGPASSWORD": password} if password else {}

    def _keywords(self) -> dict[str, str]:
        """Return what a session is opened with; a password in it is hidden from here on."""
        password = self.password
        keep_secret(password)
        return {**self._bounded(), **({"password": password} if password else {})}

    def _bounded(self) -> dict[str, str]:
        """Return the parameters, with bounds on what they, service and environment leave open."""
        # libpq refuses the word when it has read all of these, before it looks for the server.
        refused = make_conninfo("", **{**self.parameters, "sslmode": "none such"})
        asked = psycopg.pq.PGconn.connect_start(refused.encode())
        said = {each.keyword.decode(): each.val.decode() for each in asked.info if each.val}
        asked.finish()
        bounds = {key: said.get(key, ours) for key, ours in _BOUNDS.items()}
        several = "," in said.get("hostaddr", said.get("host", ""))
        if several and said["target_session_attrs"] == "any" and _ANY not in os.environ:
            bounds["target_session_attrs"] = "read-write"
        return {**bounds, **self.parameters}

    def _open(self) -> _Asking:
        parameters = self._keywords()
        raw = _connected(parameters)
        info, pid = raw.info, raw.info.backend_pid
        at = {"host": info.host, "hostaddr": info.hostaddr, "port": str(info.port)}
        # TCP waits as long as connecting does: a timeout then is silence, and nothing else is.
        there = {**parameters, **at, "tcp_user_timeout": "0", "keepalives": "0"}
        raw.patience = max(int(parameters["tcp_user_timeout"]), 0) / 1000
        raw.silence = {_OF_SERVER[k]: parameters[k] for k in _OF_SERVER}
        beside = _Beside(there, pid, raw.patience)
        raw.answer_lost, raw.find_blockers = beside.answer_lost, beside.blockers
        return raw

    def runner_session(self) -> Connection:
        """Open a session of the runbook's own, whatever role and database are set to.

        Names without a schema are the server's own in it. Raises TargetError without any secret.
        """
        connection = self.connect()
        connection.rows(load("own_session"))
        connection.set({**connection.silence, **_OWN_BOUNDS})
        return connection

    def connect(self) -> Connection:
        """Open a session as psql would: what a file sees, and what reads a file's names.

        Raises TargetError without any secret in it.
        """
        try:
            return Connection(self._open())
        except psycopg.Error as error:
            lines = str(error).strip().splitlines()
            reason = [line for line in lines if not line.startswith("\t")][-1]  # no guesses
            raise TargetError(
                f"The database '{self.dbname}' does not answer: {redact(reason).rstrip('.')}.",
                sqlstate=error.sqlstate,
                remedy="Check host, port, user and password, and that the server runs.",
            ) from None

    @contextmanager
    def inspector(self) -> "Iterator[sqlalchemy.Inspector]":
        """Hold SQLAlchemy's view of the schema, read as it is asked for, with our own bounds."""
        import sqlalchemy  # noqa: PLC0415  a tenth of a second that most sessions never need

        with self.runner_session() as connection, _translated(connection._raw):
            raw = connection._raw
            raw.row_factory = tuple_row  # type: ignore[assignment]  # SQLAlchemy reads tuples
            engine = sqlalchemy.create_engine(
                "postgresql+psycopg://", creator=lambda: raw, poolclass=sqlalchemy.StaticPool
            )
            try:
                yield sqlalchemy.inspect(engine)
            except sqlalchemy.exc.DBAPIError as error:
                raise error.orig if isinstance(error.orig, psycopg.Error) else error from error

    def maintenance(self) -> "Database":
        """Return the database from which this one can be created, renamed or dropped."""
        return self.on("template1" if self.dbname == "postgres" else "postgres")

    def create(self, dbname: str, like: str = "", send: Send = Connection.execute) -> None:
        """Create an empty database on this server, with encoding, locale and owner of ``like``."""
        with self.maintenance().runner_session() as connection:
            options = ""
            if like:
                options = connection.value(load("database_options"), {"dbname": like})
            create = SQL("CREATE DATABASE {} TEMPLATE template0 {}")
            send(connection, create.format(Identifier(dbname), SQL(options)), None)

    def drop(self, dbname: str, send: Send = Connection.execute) -> None:
        """Drop a database of this server, ending its sessions, if it is there."""
        with self.maintenance().runner_session() as connection:
            drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            send(connection, drop.format(Identifier(dbname)), None)


class CleanSession:
    """Hand out one session again and again, each time as new; a block that fails ends it.

    ``prepare`` is called with each that is opened.
    """

    def __init__(
        self, database: Database, prepare: Callable[[Connection], object] = lambda _: None
    ) -> None:
        self._database = database
        self._prepare = prepare
        self._connection: Connection | None = None
        self._defaults = ""

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Hold the session for the block; locks are let go of with its end."""
        if self._connection is None:
            self._connection = self._database.connect()
            self._prepare(self._connection)
            self._defaults = self._connection.value(_DEFAULTS)
        try:
            yield self._connection
            self._connection = self._connection.renew()
            # What ALTER ROLE and ALTER DATABASE set, a session has from its beginning alone.
            if self._connection.value(_DEFAULTS) != self._defaults:
                self.close()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the session, if it is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class SideSession:
    """Hold one session beside the main one, opened when it is needed and again when it was lost.

    ``prepare`` is called with each that is opened.
    """

    def __init__(
        self, database: Database, prepare: Callable[[Connection], object] = lambda _: None
    ) -> None:
        self._database = database
        self._prepare = prepare
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """Return the open session; raises TargetError where the server does not answer."""
        if self._connection is None or self._connection.closed:
            self._connection = self._database.runner_session()
            self._prepare(self._connection)
        return self._connection

    def cancel(self) -> None:
        """Ask the server to cancel what the session runs, if it is open; another thread may ask."""
        connection = self._connection
        if connection is not None and not connection.closed:
            with suppress(psycopg.Error):
                connection.cancel()

    def rows(self, sql: Query, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return the rows of a query, asked once more where the session was lost meanwhile."""
        return self._twice(lambda connection: connection.rows(sql, parameters))

    def seen(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row] | None:
        """Return the rows of a query likewise, None where this role may not look."""
        return self._twice(lambda connection: connection.seen(sql, parameters))

    def _twice(self, ask: Callable[[Connection], _T]) -> _T:
        try:
            return ask(self.connection())
        except TargetError:
            self.close()
            return ask(self.connection())

    def close(self) -> None:
        """End the session; the next use opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def by_name(settings: Mapping[str, str]) -> dict[str, list[str]]:
    """Return settings as the parameters of a query that takes any number of them."""
    return {"names": list(settings), "values": list(settings.values())}


def text_of(sql: Query) -> str:
    """Return a statement as it is sent, what was put in quoted."""
    return sql if isinstance(sql, str) else sql.as_string()


def names(rows: Sequence[Row], column: str) -> frozenset[str]:
    """Return one column of rows as a set of strings."""
    return frozenset(str(row[column]) for row in rows)
