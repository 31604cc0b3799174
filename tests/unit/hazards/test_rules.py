"""Hazards are accepted by name and migration; every rule says what it means."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.checks.review import RULES
from runbook_lib.findings import Finding
from runbook_lib.hazards.rules import Facts, TableFacts, find_hazards, unused
from runbook_lib.release.model import Acceptance
from tests.support.releases import release_of

FACTS = Facts(17, {"public.t": TableFacts(5000, 1_000_000, {"id": "integer"})}, {})
INDEX = "CREATE INDEX i ON t (id)"


def hazards(directory: Path, *accepts: Acceptance, facts: Facts = FACTS) -> list[Finding]:
    release = release_of(directory, {"0001": INDEX, "0002": INDEX.replace(" i ", " j ")})
    return list(find_hazards(release.migrations, facts, accepts, RULES))


def test_an_acceptance_silences_one_rule_in_one_migration(tmp_path: Path) -> None:
    accept = Acceptance("index-not-concurrent", "built in a second", "0002", line=7)
    first, second = hazards(tmp_path, accept)
    assert (first.accepted, second.accepted) == ("", "built in a second")
    assert list(unused([accept], [first, second], frozenset(RULES))) == []


@pytest.mark.parametrize(
    ("rule", "migration", "said"),
    [
        ("index-not-concurent", "0001", "is no rule"),
        ("json-column", "0001", "does not find anything"),
        ("index-not-concurrent", "0009", "does not find anything"),
    ],
)
def test_an_acceptance_that_silences_nothing_is_a_finding(
    tmp_path: Path, rule: str, migration: str, said: str
) -> None:
    accept = Acceptance(rule, "why", migration, path="release.toml", line=7)
    (finding,) = unused([accept], hazards(tmp_path, accept), frozenset(RULES))
    assert (finding.place, finding.rule) == ("release.toml:7", "acceptance-unused")
    assert said in finding.cause


def test_a_rule_concerns_its_versions_alone(tmp_path: Path) -> None:
    old = {
        **RULES,
        "index-not-concurrent": replace(RULES["index-not-concurrent"], versions=(13, 16)),
    }
    release = release_of(tmp_path, {"0001": INDEX})
    found = [
        len(find_hazards(release.migrations, replace(FACTS, server_major=major), (), old))
        for major in (13, 16, 17)
    ]
    assert found == [1, 1, 0]


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_says_what_it_means(rule: str) -> None:
    item = RULES[rule]
    assert item.id == rule
    assert all(len(text) > 10 for text in (item.condition, item.effect, item.remedy))
    assert re.fullmatch(r"[a-z-]+", item.manual), "the name of a page, without .html"


def test_a_finding_names_table_rows_and_line(tmp_path: Path) -> None:
    finding, _ = hazards(tmp_path)
    assert "t (5,000 rows)" in finding.cause
    assert finding.place == "release/0001/migration.sql:1"
