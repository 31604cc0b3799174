"""Ask a command for the password of a server, anew for each session: a token soon expires."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runbook_lib.errors import TargetError, ToolError
from runbook_lib.postgres import process
from runbook_lib.redaction import keep_secret, learn, redact

_TIME_LIMIT = 30.0  # seconds


@dataclass(frozen=True)
class PasswordCommand:
    """Name a program, with its arguments, that prints the password; ``of`` is its environment.

    It is run without a shell, in the directory of ``environments.toml``.
    """

    argv: Sequence[str] = field(repr=False)
    directory: Path
    of: str

    def password(self) -> str:
        """Run it and return the first line that it prints, which is hidden from here on.

        Raises TargetError, as a server does that lets nobody in.
        """
        learn(shlex.join(self.argv), "an argument of password_command")
        try:
            done = process.run(self.argv, check=False, timeout=_TIME_LIMIT, cwd=self.directory)
        except ToolError as error:
            raise self._failed(error.message) from None
        password = done.stdout.partition("\n")[0].rstrip("\r")
        keep_secret(password, f"what the password_command of [{self.of}] printed")
        if done.returncode:
            raise self._failed(process.failure(done))
        if not password or "\0" in password:
            raise self._failed("its first line holds no password")
        return password

    def _failed(self, why: str) -> TargetError:
        message = f"The password_command of [{self.of}] gave none: {redact(why).rstrip('.')}."
        remedy = "Mend it: by hand, beside environments.toml, it has to print the password."
        return TargetError(message, remedy=remedy)
