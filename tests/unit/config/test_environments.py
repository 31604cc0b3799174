"""environments.toml is read strictly, and a server is named by libpq's conventions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.config import environments as config
from runbook_lib.config.environments import Application
from runbook_lib.errors import ConfigError
from tests.support.projects import REPOSITORY

TEXT = """[dev]
dbname = "shop_dev"
embedded = true
scale = 2

[prod]
dbname = "shop"
url_variable = "SHOP_URL"

[prod.policy.locks]
timeout = 3

[prod.policy.approvals]
roles = ["DBA", "Lead"]
"""


@pytest.fixture(autouse=True)
def no_libpq_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSERVICE", "PGHOST", "PGHOSTADDR", "SHOP_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / config.FILE).write_text(TEXT)
    return tmp_path


def refused(root: Path, old: str, new: str) -> ConfigError:
    (root / config.FILE).write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        config.read_environment(root, "prod")
    assert caught.value.path == str(root / config.FILE)
    return caught.value


def test_an_environment_is_read_with_its_policy(root: Path) -> None:
    found = config.read_environment(root, "prod")
    assert (found.dbname, found.embedded, found.url_variable) == ("shop", False, "SHOP_URL")
    assert (found.policy.locks.timeout, found.policy.approvals.roles) == (3, ("DBA", "Lead"))


def test_what_the_policy_does_not_say_has_its_default(root: Path) -> None:
    assert config.read_environment(root, "dev").policy.locks.timeout == 5.0


def test_an_unknown_environment_names_the_known_ones(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"no environment 'production'.*dev, prod"):
        config.read_environment(root, "production")


def test_an_unknown_key_names_the_known_ones(root: Path) -> None:
    error = refused(root, "dbname =", "database =")
    assert "[prod] has an unknown key 'database'" in error.message
    assert "dbname" in error.remedy


def test_an_unknown_key_of_the_policy_is_named(root: Path) -> None:
    error = refused(root, "timeout = 3", "lock = 3")
    assert error.message == "[prod.policy.locks] has an unknown key 'lock'."
    assert "timeout" in error.remedy
    error = refused(root, "policy.locks", "policy.lock")
    assert error.message == "[prod.policy] has an unknown key 'lock'."
    assert "locks" in error.remedy


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("timeout = 3", 'timeout = "3s"'),
        ("timeout = 3", "timeout = true"),
        ('roles = ["DBA", "Lead"]', 'roles = "DBA"'),
        ('roles = ["DBA", "Lead"]', "roles = [1]"),
        ('dbname = "shop"\n', "dbname = 5\n"),
        ('dbname = "shop"\n', 'dbname = "shop"\nembedded = "yes"\n'),
        ("[prod.policy.locks]\ntimeout = 3\n", "policy.locks = 3\n"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(root: Path, old: str, new: str) -> None:
    refused(root, old, new)


def test_an_environment_without_a_database_is_refused(root: Path) -> None:
    assert "[prod] has no dbname" in str(refused(root, 'dbname = "shop"\n', ""))


def test_a_file_that_is_not_toml_is_refused(root: Path) -> None:
    assert "not TOML" in str(refused(root, "[dev]", "[dev"))


def test_a_server_that_nothing_names_says_what_to_set(root: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.coordinates(config.read_environment(root, "prod"))
    assert "'prod' names no server" in caught.value.message
    assert {"SHOP_URL", "PGSERVICE", "PGHOST"} <= set(caught.value.remedy.replace(",", "").split())


def test_the_shipped_prod_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNBOOK_PROD_URL", raising=False)
    with pytest.raises(ConfigError, match="RUNBOOK_PROD_URL"):
        config.coordinates(config.read_environment(REPOSITORY, "prod"))


def test_the_url_comes_from_the_variable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", "postgresql://db/shop")
    found = config.coordinates(config.read_environment(root, "prod"))
    assert found == ("url", "postgresql://db/shop")


def test_a_service_wins_over_a_url(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", "postgresql://db/shop")
    environment = replace(config.read_environment(root, "prod"), service="shop_prod")
    assert config.coordinates(environment) == ("service", "shop_prod")


def test_libpq_variables_are_enough(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.internal")
    assert config.coordinates(config.read_environment(root, "prod")) == ("libpq", "")


def test_the_root_is_found_from_below(root: Path) -> None:
    below = root / "notebooks" / "deep"
    below.mkdir(parents=True)
    assert config.find_root(below) == root.resolve()


def test_without_a_root_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path)):
        config.find_root(tmp_path)


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_the_shipped_environments_are_read(name: str) -> None:
    assert config.read_environment(REPOSITORY, name).name == name


def test_the_shipped_prod_is_strict() -> None:
    policy = config.read_environment(REPOSITORY, "prod").policy
    assert policy.rehearsal.required
    assert policy.approvals.confirm
    assert policy.approvals.roles


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('rehearsal.data = "half"', 'data = "half" is not one of "full", "schema"'),
        ('backup.format = "tar"', 'format = "tar" is not one of "directory", "custom"'),
        ('backup.compression = "bzip2"', 'compression = "bzip2" is not zstd, lz4 or gzip'),
        ('backup.compression = "9"', 'compression = "9" is not zstd, lz4 or gzip'),
        ("backup.kept = -1", "kept = -1 is not a whole number of backups from 0"),
        ("backup.jobs = -1", "jobs = -1 is not a whole number of sessions from 0"),
    ],
)
def test_a_word_that_is_none_of_a_policys_is_refused(root: Path, line: str, said: str) -> None:
    (root / config.FILE).write_text(f"{TEXT}[prod.policy]\n{line}\n")
    with pytest.raises(ConfigError, match=said) as caught:
        config.read_environment(root, "prod")
    assert caught.value.path == str(root / config.FILE)


@pytest.mark.parametrize("word", ["", "zstd", "lz4:9", "gzip:9"])
def test_a_compression_is_a_method_with_or_without_a_level(root: Path, word: str) -> None:
    (root / config.FILE).write_text(f'{TEXT}[prod.policy]\nbackup.compression = "{word}"\n')
    assert config.read_environment(root, "prod").policy.backup.compression == word


def with_application(root: Path, *lines: str) -> Path:
    (root / config.FILE).write_text("\n".join([TEXT, "[prod.application]", *lines, ""]))
    return root


def test_the_commands_of_the_application_are_read(root: Path) -> None:
    with_application(root, 'stop = ["pm2 stop all"]', 'start = ["a b", "c"]', "time_limit = 5")
    found = config.read_environment(root, "prod").application
    assert found == Application(("pm2 stop all",), ("a b", "c"), 5)


def test_without_commands_there_are_none(root: Path) -> None:
    assert config.read_environment(root, "prod").application == Application((), (), 60.0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('stopp = ["pm2 stop all"]', "[prod.application] has an unknown key 'stopp'"),
        (
            'stop = "pm2 stop all"',
            '[prod.application] stop = "pm2 stop all" is not a list of texts',
        ),
        ("start = [1]", "[prod.application] start holds 1, which is not a text"),
        (
            'time_limit = "60 s"',
            '[prod.application] time_limit = "60 s" is not a number of seconds',
        ),
        (
            "time_limit = 0",
            "[prod.application] time_limit = 0 is not a number of seconds from 0.001",
        ),
        ('stop = [" "]', '[prod.application] stop: " " names no program'),
        (
            """start = ["a 'b"]""",
            """start: "a 'b" cannot be split into words: no closing quotation""",
        ),
        ('stop = ["a && b"]', 'stop: "a && b" holds &&, which only a shell understands'),
        ('stop = ["a", "b|c"]', 'stop: "b|c" holds |, which only a shell understands'),
        ('stop = ["a > b"]', 'stop: "a > b" holds >, which only a shell understands'),
        ('stop = ["a $B"]', 'stop: "a $B" holds $, which only a shell understands'),
        ("""stop = ['a "$B"']""", "holds $, which only a shell understands"),
    ],
)
def test_commands_that_would_not_run_as_meant_are_refused(root: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.read_environment(with_application(root, line), "prod")
    assert said in caught.value.message
    assert caught.value.path == str(root / config.FILE)
    assert caught.value.remedy


def test_an_application_that_is_no_table_is_refused(root: Path) -> None:
    error = refused(root, 'url_variable = "SHOP_URL"\n', 'application = "pm2"\n')
    assert str(error).endswith('"pm2" is not a table. Write it as [prod.application].')


@pytest.mark.parametrize(
    "command",
    [
        "pm2 stop all",
        "sh -c 'pm2 jlist | tee $HOME/x && pm2 stop all'",
        'ssh app1 "pm2 stop all; pm2 save"',
        r"find /run/app -name lock -exec rm {} \;",
    ],
)
def test_what_is_quoted_is_for_the_program_itself(root: Path, command: str) -> None:
    with_application(root, f"stop = [{json.dumps(command)}]")
    assert config.read_environment(root, "prod").application.stop == (command,)


def test_a_directory_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / config.FILE).mkdir()
    with pytest.raises(ConfigError, match="This is not a file"):
        config.read_environment(config.find_root(tmp_path), "prod")
