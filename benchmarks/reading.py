"""How the time to read a release grows with its statements: CPU seconds, and the exponent.

An exponent of 1 is linear. Nothing is sent to a server.
"""

import math
import tempfile
import time
from pathlib import Path

from runbook_lib.checks.review import RULES
from runbook_lib.hazards.data_loss import find_losses
from runbook_lib.hazards.rules import Facts, find_hazards
from runbook_lib.release.plan import order
from runbook_lib.release.reader import read_release

SIZES = (10_000, 20_000, 40_000, 80_000)
STATEMENTS = (
    "CREATE TABLE t{0} (id bigint PRIMARY KEY, a int, b text NOT NULL DEFAULT 'x');",
    "CREATE INDEX t{0}_a ON t{0} (a);",
    "INSERT INTO t{0} VALUES (1, 2, 'three; with a semicolon and 100 %');",
    "COMMENT ON TABLE t{0} IS 'what it is for';",
)


def write_release(directory: Path, count: int) -> Path:
    """Write a release of one file with so many statements."""
    kinds = len(STATEMENTS)
    lines = (STATEMENTS[n % kinds].format(n // kinds) for n in range(count))
    directory.joinpath("001_many.sql").write_text("\n".join(lines), encoding="utf-8")
    return directory


def seconds(count: int) -> float:
    """Return the CPU seconds that reading, ordering and judging so many statements takes."""
    with tempfile.TemporaryDirectory() as directory:
        path = write_release(Path(directory), count)
        begin = time.process_time()
        release = read_release(path)
        order(release, frozenset())
        find_hazards(release.migrations, Facts(17, {}, {}), (), RULES)
        find_losses(release.migrations, Facts(17, {}, {}), ())
        return time.process_time() - begin


def exponent(found: dict[int, float]) -> float:
    """Return the slope of the logarithms, by least squares."""
    points = [(math.log(count), math.log(took)) for count, took in found.items()]
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    return float(slope)


def main() -> None:
    """Print a line for each size, and the exponent."""
    found = {}
    for count in SIZES:
        found[count] = seconds(count)
        print(f"{count:>7,} statements: {found[count]:6.2f} s of CPU")
    print(f"exponent {exponent(found):.2f}")


if __name__ == "__main__":
    main()
