"""What a run accepts silences the review as what the release accepts, and is kept as evidence."""

import json
from pathlib import Path

from runbook_lib import review_release
from runbook_lib.checks.sarif import FINDINGS
from runbook_lib.evidence.run import ACCEPTANCES
from tests.support.defects import project
from tests.support.releases import write_release

RELEASED = """[[accept]]
rule = "json-column"
migration = "0001_a"
reason = "nobody compares it"
"""
IN_THE_RUN = """[[accept]]
rule = "name-too-long"
migration = "0001_a"
reason = "the cut name is known"
who = "N. N."
when = 2026-01-31T09:00:00Z
"""


def test_a_run_accepts_what_its_release_does_and_what_its_own_file_does(
    database: dict[str, str], tmp_path: Path
) -> None:
    release = write_release(tmp_path / "shop", {"0001_a": f"CREATE TABLE {'t' * 64} (j json)"})
    (release / "release.toml").write_text(RELEASED, encoding="utf-8")
    with project(tmp_path, database) as shop:
        run = shop.run(release, "prechecks")
        review_release(run)
        before = {item.rule: item.accepted for item in run.reviewed() or ()}
        (run.directory.path / "acceptances.toml").write_text(IN_THE_RUN, encoding="utf-8")
        review_release(run)
        after = {item.rule: item.accepted for item in run.reviewed() or ()}
        record = run.directory.read(ACCEPTANCES)
        (log,) = json.loads((run.directory.path / FINDINGS).read_text())["runs"]
    assert before == {"json-column": "nobody compares it", "name-too-long": ""}
    assert after == {"json-column": "nobody compares it", "name-too-long": "the cut name is known"}
    suppressed = [item for item in log["results"] if "suppressions" in item]
    assert {item["ruleId"] for item in suppressed} == set(after)
    places = [item["locations"][0]["physicalLocation"] for item in suppressed]
    assert {item["artifactLocation"]["uri"] for item in places} == {"shop/0001_a/migration.sql"}
    assert record is not None
    kept = [(item["rule"], item["path"], item["line"], item["who"]) for item in record["accepts"]]
    assert kept == [
        ("json-column", "release.toml", 2, ""),
        ("name-too-long", "acceptances.toml", 2, "N. N."),
    ]
