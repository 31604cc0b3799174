"""Let the operating system refuse what a rehearsal's server could reach outside of its directory.

On Linux the server starts in namespaces of its own where an ordinary account may make them
(unshare(1), user_namespaces(7)): it has no network but its socket, sees no process but its own, and
shares no memory. Its root directory holds the libraries it needs, read-only, and its own files; no
shell is there, so that COPY ... PROGRAM ends in an error on which nothing is proven.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import ToolError
from runbook_lib.postgres import accounts, process
from runbook_lib.postgres.process import Account

UNCONFINED = "the network, and programs, processes and files of its machine"
"""What a server reaches that nothing confines."""

# Run as the root of a new user namespace. At the end it is the server's account again, for
# PostgreSQL refuses to run as root, and without a capability nothing leads out of a new root.
# A wheel has libraries of its own beside its package (auditwheel).
_SCRIPT = """
own=$1 sockets=$2 bindir=$3 uid=$4 gid=$5
shift 5
root=$own/root
mkdir -p "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
for place in /lib /lib32 /lib64 /usr/lib /usr/lib32 /usr/lib64 /usr/share /usr/local/lib \
             /usr/local/share /etc /nix/store /gnu/store "${bindir%/*}" "$bindir" \
             "${bindir%/*/*}.libs"; do
    if [ -e "$root$place" ]; then
        continue
    elif [ -L "$place" ]; then
        cp -P "$place" "$root$place"
    elif [ -d "$place" ]; then
        mkdir -p "$root$place"
        mount --rbind "$place" "$root$place"
    fi
done
# A flag that a mount came with can be locked, and has to be given again.
while read -r _ place _; do
    place=$(printf '%b' "$place")
    case "$place" in "$root"/*)
        mount -o remount,bind,ro,nosuid,nodev "$place" ||
            mount -o remount,bind,ro,nosuid,nodev,noexec "$place" ;;
    esac
done </proc/self/mounts
mkdir -p "$root/proc" "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mkdir -p "$root$own" "$root$sockets"
mount --bind "$own" "$root$own"
mount --bind "$sockets" "$root$sockets"
for device in null zero full random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
# In a container that hides parts of /proc no other one may be mounted; the server needs none.
mount -t proc proc "$root/proc" || :
# What is written there would seem to be written. Its own options name accounts unknown here.
mount -o remount,bind,ro "$root"
exec unshare --user --map-user="$uid" --map-group="$gid" --root="$root" --wd=/ -- "$@"
"""


@dataclass(frozen=True)
class Confinement:
    """Hold what is put before a command to confine it, and in words what it still reaches."""

    prefix: Sequence[str]
    reaches: str


def confine(bindir: Path, account: Account | None, own: Path, sockets: Path) -> Confinement:
    """Return the strictest confinement that works here for a server with its directories."""
    for tried in _confinements(bindir, account, own, sockets):
        argv = [*tried.prefix, str(bindir / "postgres"), "-V"]
        try:
            if process.run(argv, check=False, timeout=30, as_account=account).returncode == 0:
                return tried
        except ToolError:
            continue  # no unshare on this machine
    return Confinement((), UNCONFINED)


def _confinements(
    bindir: Path, account: Account | None, own: Path, sockets: Path
) -> Iterator[Confinement]:
    if sys.platform != "linux":
        return
    uid, gid = map(str, accounts.owner(account))
    if uid == "0":  # in a namespace already, where root is this account
        uid = gid = str(process.NAMESPACE.uid)
    new = ("unshare", "--user", "--net", "--ipc", "--pid", "--fork", "--kill-child")
    kept = (str(own), str(sockets), str(bindir), uid, gid)
    script = ("sh", "-ec", _SCRIPT, "sh", *kept)
    whole = (*new, "--map-root-user", "--mount", "--", *script)
    yield Confinement(whole, "")
    mapped = (f"--map-user={uid}", f"--map-group={gid}")
    yield Confinement((*new, *mapped, "--"), "programs and files of its machine")
