"""The hazard rules about what reaches beyond the database: its server, and what is outside."""

from collections.abc import Iterator

from runbook_lib.findings import Severity
from runbook_lib.hazards.rules import Rules, Said, Subject
from runbook_lib.parser.statement import Statement
from runbook_lib.parser.tree import kinds

_WARNING = Severity.WARNING
SERVER = Rules()

_ON_THE_SERVER = {
    "createdb_stmt": "makes a database",
    "dropdb_stmt": "drops a database",
    "alter_database_stmt": "changes a database",
    "alter_database_set_stmt": "changes the settings of a database",
    "alter_database_refresh_coll_stmt": "changes a database",
    "alter_system_stmt": "changes the configuration of the server",
    "create_role_stmt": "makes a role",
    "alter_role_stmt": "changes a role",
    "alter_role_set_stmt": "changes the settings of a role",
    "drop_role_stmt": "drops a role",
    "grant_role_stmt": "changes who is a member of a role",
    "reassign_owned_stmt": "gives away what a role owns, databases and tablespaces, too",
    "drop_owned_stmt": "drops what a role owns and its rights, those on databases, too",
    "create_table_space_stmt": "makes a tablespace",
    "drop_table_space_stmt": "drops a tablespace",
    "alter_table_space_options_stmt": "changes a tablespace",
    "create_subscription_stmt": "makes a subscription, with a worker and a slot elsewhere",
    "alter_subscription_stmt": "changes a subscription",
    "drop_subscription_stmt": "drops a subscription",
}
_SHARED = {kinds.OBJECT_DATABASE, kinds.OBJECT_ROLE, kinds.OBJECT_TABLESPACE}
_SHARED |= {kinds.OBJECT_PARAMETER_ACL}

_OUTSIDE = {
    "create_subscription_stmt": "connects to a publisher",
    "alter_subscription_stmt": "connects to a publisher",
    "drop_subscription_stmt": "connects to a publisher",
    "import_foreign_schema_stmt": "connects to a foreign server",
    "create_table_space_stmt": "uses a directory of the server's machine",
    "load_stmt": "loads a library",
}
_READS = "reads or writes a file of the server's machine"
_FILES = {
    *("lo_import", "lo_export", "pg_read_file", "pg_read_binary_file", "pg_ls_dir"),
    *("pg_stat_file", "pg_file_write", "pg_file_unlink", "pg_file_rename", "pg_file_sync"),
}
_SLOTS = ("pg_create_logical_replication_slot", "pg_create_physical_replication_slot")
_CALLS = dict.fromkeys(_FILES, _READS) | dict.fromkeys(_SLOTS, "makes a replication slot")
_UNTRUSTED = {"plpythonu", "plpython2u", "plpython3u", "plperlu", "pltclu", "plrustu"}


def _changes_the_server(statement: Statement) -> Iterator[str]:
    """Yield what a statement does to the server that its database is on."""
    tag, node = statement.tag, statement.node
    if tag in _ON_THE_SERVER:
        yield _ON_THE_SERVER[tag]
    elif tag == "grant_stmt" and node.objtype in _SHARED:
        yield "changes rights on a database, a tablespace or a parameter"
    elif tag in {"comment_stmt", "sec_label_stmt", "alter_owner_stmt"}:
        kind = node.object_type if tag == "alter_owner_stmt" else node.objtype
        if kind in _SHARED:
            yield "changes what is said of a database, a role or a tablespace, or whose it is"
    elif tag == "rename_stmt" and node.rename_type in _SHARED:
        yield "renames a database, a role or a tablespace"


def reaches_outside(statement: Statement) -> str:
    """Return what a statement reaches outside of its server, empty for nothing that can be read.

    Statements in the body of a DO block count as its own; what a function reaches that it calls is
    for the operating system to refuse (``postgres.confinement``).
    """
    if statement.kind == "dynamic":
        return ""
    return next(_reaches(statement), "")


def _reaches(statement: Statement) -> Iterator[str]:
    tag, node = statement.tag, statement.node
    if tag in _OUTSIDE:
        yield _OUTSIDE[tag]
    elif tag == "copy_stmt" and node.is_program:
        yield "runs a program on the server's machine"
    elif tag == "copy_stmt" and node.filename:
        yield _READS
    elif tag == "do_stmt" and _language(node) in _UNTRUSTED:
        yield f"runs {_language(node)}, which may do whatever the server's account may"
    for name in statement.calls:
        last = name.rpartition(".")[2]
        if last in _CALLS:
            yield _CALLS[last]
        elif last == "dblink" or last.startswith("dblink_"):
            yield "connects to another server"
    if tag == "do_stmt":
        for part in statement.inner:
            yield from filter(None, [reaches_outside(part)])


def _language(node: object) -> str:
    for item in getattr(node, "args", ()):
        if item.def_elem.defname == "language":
            return str(item.def_elem.arg.string.sval)
    return "plpgsql"


@SERVER.rule(
    "whole-server",
    _WARNING,
    "statement that acts on the whole server: roles, databases, tablespaces, ALTER SYSTEM",
    "Other databases of the server see it, no backup of this one holds it, and a rollback takes "
    "none of it back.",
    "Do it apart from the release; else keep the statement that takes it back, which 90_rollback "
    "names.",
    manual="sql-commands",
)
def _whole_server(s: Subject) -> Said:
    for what in _changes_the_server(s.statement):
        yield f"{s.statement.label} {what}"


@SERVER.rule(
    "reaches-outside",
    _WARNING,
    "statement that reaches outside: files and programs of the machine, other servers",
    "A rehearsal does not carry it out, so that nothing proves it, and no rollback takes it back.",
    "Do it apart from the release, or try it by hand on a copy.",
    manual="sql-copy",
)
def _outside(s: Subject) -> Said:
    if what := reaches_outside(s.statement):
        yield f"{s.statement.label} {what}"
