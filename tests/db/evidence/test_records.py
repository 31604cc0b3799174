"""The records of a run are what their schemas say, and none that was edited is gone on from."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runbook_lib import check_target, open_run, review_release, take_backup
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.schemas import RECORDS
from tests.support.defects import Project, project
from tests.support.releases import write_release

MADE = {"version", "plan", "10_review", "10_prechecks", "20_backup", "acceptances"}


def prepared(shop: Project, root: Path) -> Path:
    """Take a release as far as its backup; return the run's directory."""
    release = write_release(root / "shop", {"0001_a": "CREATE TABLE a (id int PRIMARY KEY)"})
    run = shop.run(release, "prechecks")
    review_release(run)
    check_target(run)
    take_backup(shop.run(release, "backup"))
    return run.directory.path


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_the_records_of_a_run_are_what_the_schemas_beside_them_say(
    database: dict[str, str], tmp_path: Path
) -> None:
    with project(tmp_path, database) as shop:
        directory = prepared(shop, tmp_path)
        records = {path.stem: read(path) for path in directory.glob("*.json")}
        (manifest,) = (tmp_path / "backups").glob("*/manifest.json")
        assert set(records) & set(RECORDS) == MADE
        for name in MADE:
            jsonschema.validate(records[name], read(directory / "schemas" / f"{name}.json"))
        schema = read(directory / "schemas" / "backup_manifest.json")
        jsonschema.validate(read(manifest), schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**read(manifest), "jobs": "many"}, schema)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("plan", '"why": "pending"', '"why": "pending!"', "its digest differs"),
        ("plan", '"port": ', '"port": 1', "its digest differs"),
        ("plan", '"kind": "apply"', '"kind": "skip"', "steps.0.kind"),
        ("plan", '"in_recovery": false', '"in_recovery": "no"', "target.in_recovery"),
        ("20_backup", '"entries": ', '"entries": -0.5e', "backup.entries"),
        ("20_backup", '"format": ', '"formats": ', "backup.format"),
        ("20_backup", '"status": "passed"', '"status": "fine"', "status"),
    ],
)
@pytest.mark.one_of_each()
def test_a_run_whose_record_was_edited_is_not_gone_on_with(
    database: dict[str, str], tmp_path: Path, name: str, old: str, new: str, said: str
) -> None:
    with project(tmp_path, database) as shop:
        path = prepared(shop, tmp_path) / f"{name}.json"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(EvidenceError) as caught:
            take_backup(open_run("test", str(tmp_path / "shop"), "backup"))
    assert caught.value.path == str(path)
    assert said in caught.value.message
    assert "\n" not in str(caught.value)
