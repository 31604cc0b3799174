"""Read what somebody accepts in a run, besides what the release accepts, and keep it all."""

from dataclasses import dataclass
from pathlib import Path

from runbook_lib.config.toml import read_document, validated
from runbook_lib.errors import ConfigError
from runbook_lib.release.manifest import check_named, with_places
from runbook_lib.release.model import Acceptance

FILE = "acceptances.toml"


@dataclass(frozen=True)
class _Acceptances:
    accept: tuple[Acceptance, ...] = ()


def read_acceptances(directory: Path) -> tuple[Acceptance, ...]:
    """Read ``acceptances.toml`` of a run, which need not be there.

    Raises ConfigError with file and line for a malformed one, and for one that does not say who
    accepts, and when: a release is signed by its history, this file by nothing else.
    """
    path = directory / FILE
    if not path.exists():
        return ()
    document = read_document(path, ConfigError)
    found = validated(_Acceptances, document, with_places(document)).accept
    check_named(document, found)
    for at, item in enumerate(found):
        missing = "who" if not item.who.strip() else "when" if not item.when else ""
        if missing:
            message = f"[[accept]] {item.rule} has no {missing}."
            remedy = "Say who accepts it, and when."
            raise document.mistake(("accept", at), message, remedy)
    return found
