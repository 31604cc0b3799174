"""Let the operating system refuse what a rehearsal's server could reach outside of its directory.

On Linux the server starts in namespaces of its own where an ordinary account may make them
(unshare(1), user_namespaces(7)): without a network but its socket, with the files of the machine
read-only, and with the directories hidden in which other servers have their sockets and data. What
writes to /tmp writes into memory that goes with the server.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import ToolError
from runbook_lib.postgres import accounts, process
from runbook_lib.postgres.process import Account

_SOCKETS = ("/tmp", "/var/tmp", "/run", "/var/run")  # noqa: S108  hidden, not used

# Run as the root of a new user namespace: its own directory stays as it is, all else is read-only,
# what is hidden is empty. Then the server's account again, for PostgreSQL refuses to run as root.
_SCRIPT = """
own=$1 sockets=$2 uid=$3 gid=$4 hidden=$5
shift 5
mount --bind "$own" "$own"
mount --bind "$sockets" "$sockets"
exec 8<"$own" 9<"$sockets"
while read -r _ place _; do
    case "$place" in "$own" | "$sockets" | /proc* | /sys* | /dev*) continue ;; esac
    mount -o remount,bind,ro "$place" 2>/dev/null || :
done </proc/self/mounts
printf '%s\\n' "$hidden" | while read -r place; do
    [ ! -d "$place" ] || [ -L "$place" ] || mount -t tmpfs -o mode=1777 tmpfs "$place"
done
mkdir -p "$own" "$sockets"
mount --no-canonicalize --bind /proc/self/fd/8 "$own"
mount --no-canonicalize --bind /proc/self/fd/9 "$sockets"
exec unshare --user --map-user="$uid" --map-group="$gid" -- "$@" 8<&- 9<&-
"""


@dataclass(frozen=True)
class Confinement:
    """Hold what is put before a command to confine it, and in words what it is refused."""

    prefix: Sequence[str]
    refuses: str


def confine(
    bindir: Path, account: Account | None, own: Path, sockets: Path, hidden: Path
) -> Confinement:
    """Return the strictest confinement that works here for a server with its directories.

    ``hidden`` is one that holds the data of others.
    """
    for tried in _confinements(account, own, sockets, hidden):
        argv = [*tried.prefix, str(bindir / "postgres"), "-V"]
        try:
            if process.run(argv, check=False, timeout=30, as_account=account).returncode == 0:
                return tried
        except ToolError:
            continue  # no unshare on this machine
    return Confinement((), "")


def _confinements(
    account: Account | None, own: Path, sockets: Path, hidden: Path
) -> Iterator[Confinement]:
    if sys.platform != "linux":
        return
    uid, gid = map(str, accounts.owner(account))
    if uid == "0":  # in a namespace already, where root is this account
        uid = gid = str(process.NAMESPACE.uid)
    places = dict.fromkeys([*_SOCKETS, tempfile.gettempdir(), str(hidden)])
    new = ("unshare", "--user", "--net")
    kept = (str(own), str(sockets), uid, gid, "\n".join(places))
    script = ("sh", "-ec", _SCRIPT, "sh", *kept)
    whole = (*new, "--map-root-user", "--mount", "--", *script)
    yield Confinement(whole, "network, sockets and files of others")
    yield Confinement((*new, f"--map-user={uid}", f"--map-group={gid}", "--"), "network")
