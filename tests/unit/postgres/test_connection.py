"""Every session has bounds on the network's silence, and what the user says of them wins."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from runbook_lib.postgres.connection import Database

OURS = {
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def bounds_of(database: Database) -> dict[str, object]:
    found = conninfo_to_dict(database.conninfo())
    return {key: found[key] for key in OURS}


@pytest.fixture(autouse=True)
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Describe a service, and leave no other word of the environment's."""
    path = tmp_path / "pg_service.conf"
    path.write_text("[shop]\nhost=nowhere.invalid\nconnect_timeout=7\nkeepalives_count=9\n")
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    for name in ("PGSERVICE", "PGHOST", "PGCONNECT_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)


def test_programs_get_the_bounds_of_sessions() -> None:
    assert bounds_of(Database({"host": "db.invalid"})) == OURS


def test_what_the_url_says_wins() -> None:
    url = "postgresql://db.invalid/shop?connect_timeout=3&tcp_user_timeout=900"
    found = bounds_of(Database.from_url(url, "SHOP_URL"))
    assert found == {**OURS, "connect_timeout": "3", "tcp_user_timeout": "900"}


def test_what_the_environment_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    assert bounds_of(Database({"host": "db.invalid"})) == {**OURS, "connect_timeout": "4"}


@pytest.mark.parametrize("named", ["in the URL", "in the environment"])
def test_what_the_service_says_wins(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {"service": "shop"} if named == "in the URL" else {}
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    if not parameters:
        monkeypatch.setenv("PGSERVICE", "shop")
    found = bounds_of(Database(parameters))
    assert found == {**OURS, "connect_timeout": "7", "keepalives_count": "9"}
