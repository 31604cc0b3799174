"""Choose the account that the embedded server runs under, and give it its files."""

import contextlib
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runbook_lib.errors import ToolError
from runbook_lib.postgres import process
from runbook_lib.postgres.process import NAMESPACE, Account


def unprivileged() -> Account | None:
    """Return who runs a program for an ordinary user: initdb wants an account with a name."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return NAMESPACE
    return None


def account_of(uid: int, gid: int) -> Account:
    """Return the account of these ids; root stands for the namespace."""
    return Account(uid, gid) if uid else NAMESPACE


def owner(account: Account | None) -> tuple[int, int]:
    """Return who must own the files: in a namespace the program still is its caller to them."""
    if account is None or account.namespace:
        return os.geteuid(), os.getegid()
    return account.uid, account.gid


def choose(bindir: Path, root: Path, base: Path, data: Path) -> Account | None:
    """Choose who runs the server: PostgreSQL refuses to run as root.

    None stands for whoever runs this. Raises ToolError where no account can.
    """
    if os.geteuid():
        return unprivileged()
    for account in _candidates(root, data):
        if all(
            _works(argv, account)
            for argv in (
                [str(bindir / "postgres"), "-V"],
                ["test", "-x", str(base)],
                ["test", "-x", tempfile.gettempdir()],
            )
        ):
            return account
    raise ToolError(
        "PostgreSQL does not run as root, and no other account can run it in this place.",
        path=base,
        remedy="Run as an ordinary user, or allow user namespaces.",
    )


def _candidates(root: Path, data: Path) -> Iterator[Account]:
    if data.exists():
        yield account_of(data.stat().st_uid, data.stat().st_gid)
    if (info := root.stat()).st_uid:
        yield Account(info.st_uid, info.st_gid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield Account(entry.pw_uid, entry.pw_gid)
    yield NAMESPACE


def _works(argv: list[str], account: Account) -> bool:
    try:
        return process.run(argv, check=False, timeout=30, as_account=account).returncode == 0
    except ToolError:
        return False


def give(directory: Path, owner: tuple[int, int]) -> None:
    """Make a directory and all that is in it somebody's."""
    if directory.stat().st_uid != owner[0]:
        for parent, _, files in os.walk(directory):
            for path in (parent, *(os.path.join(parent, name) for name in files)):  # noqa: PTH118
                os.chown(path, *owner, follow_symlinks=False)


def _not_ours(path: Path) -> ToolError:
    return ToolError(
        "The socket directory belongs to another account.",
        path=path,
        remedy="Set TMPDIR to a directory of your own.",
    )


def make_private(path: Path, owner: tuple[int, int]) -> None:
    """Make a directory that `owner` alone may reach; raises ToolError where it is another's."""
    path.mkdir(mode=0o700, exist_ok=True)
    # Through a descriptor that follows no link: what is checked here is what is changed here.
    try:
        opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise _not_ours(path) from error
    try:
        if os.fstat(opened).st_uid not in (owner[0], os.geteuid()):
            raise _not_ours(path)
        os.fchown(opened, *owner)
        os.fchmod(opened, 0o700)
    finally:
        os.close(opened)
