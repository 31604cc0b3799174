"""The processes of the fault tests are real ones, and import no more than what they prove needs."""

import json
import os
import signal
import sys
import time
from dataclasses import asdict

import pytest

from tests.support.faults import driver, undoer
from tests.support.faults.bench import MakeBench
from tests.support.faults.forked import Forked
from tests.support.faults.scenarios import WHOLE

HEAVY = {"pandas", "sqlalchemy", "matplotlib", "IPython", "papermill"}


def applies_and_tells_imports(told: str) -> int:
    code = driver.main(told)
    assert undoer.REVERT  # the module that takes releases back is there, too
    print(json.dumps(sorted(HEAVY & set(sys.modules))))
    return code


def tells_of_itself(_: str) -> int:
    print(json.dumps([os.getpid(), os.getsid(0), os.getpgid(0)]))
    print("trouble", file=sys.stderr)
    return 3


def waits(_: str) -> int:
    time.sleep(60)
    return 0


def test_a_fault_tests_process_imports_nothing_that_draws_or_makes_engines(
    bench_of: MakeBench,
) -> None:
    orders = bench_of(WHOLE).orders()
    process = Forked(applies_and_tells_imports, json.dumps(asdict(orders)))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    applied, imports = out.splitlines()
    assert json.loads(applied)["outcomes"] == ["done", "done"]
    assert json.loads(imports) == []


def test_it_is_a_process_and_a_session_of_its_own() -> None:
    process = Forked(tells_of_itself, "")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (3, "trouble\n")
    assert json.loads(out) == [process.pid] * 3
    assert process.pid != os.getpid()
    assert process.communicate() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_by_a_signal_as_any_other(number: signal.Signals) -> None:
    process = Forked(waits, "")
    assert process.poll() is None
    with pytest.raises(TimeoutError, match="did not end within"):
        process.communicate(timeout=0.1)
    os.kill(process.pid, number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == -number
    process.kill()  # of what is gone, without a word


def test_what_goes_wrong_in_it_is_seen() -> None:
    process = Forked(driver.main, "not JSON")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "JSONDecodeError" in err
