"""A secret is hidden in every form; one that is a word only where it stands as a secret."""

import re
import time

import pytest

from runbook_lib.redaction import (
    keep_secret,
    know_words,
    learn,
    redact,
    redact_values,
    shown_url,
    weak_secrets,
    without_quoted,
    without_values,
)
from tests.support.redactor import FORMS, SECRET

STANDING = {  # where a text shows by itself that it holds a secret
    "CREATE ROLE app LOGIN PASSWORD 'users'": "CREATE ROLE app LOGIN PASSWORD '***'",
    "alter user app encrypted password 'u''s' valid until 'x'": (
        "alter user app encrypted password '***' valid until 'x'"
    ),
    "ALTER ROLE app PASSWORD /* a */ E'u\\'s'": "ALTER ROLE app PASSWORD /* a */ E'***'",
    "ALTER ROLE app PASSWORD\n-- why\n$x$users$x$;": "ALTER ROLE app PASSWORD\n-- why\n***;",
    "EXECUTE 'ALTER ROLE app PASSWORD ''users''';": "EXECUTE 'ALTER ROLE app PASSWORD ''***''';",
    "ALTER ROLE app PASSWORD 'cut sho": "ALTER ROLE app PASSWORD '***",
    "ALTER ROLE app PASSWORD NULL": "ALTER ROLE app PASSWORD NULL",
    "OPTIONS (user 'app', password 'users')": "OPTIONS (user 'app', password '***')",
    "OPTIONS (SET \"password\" 'users')": "OPTIONS (SET \"password\" '***')",
    "CONNECTION 'host=db password=users dbname=d'": "CONNECTION 'host=db password=*** dbname=d'",
    "dblink('host=db password=''a b'' port=1')": "dblink('host=db password=''***'' port=1')",
    "host=db password='a b' port=1": "host=db password='***' port=1",
    "host=db sslpassword = users": "host=db sslpassword = ***",
    "postgresql://app:users@db/d": "postgresql://app:***@db/d",
    "postgresql://app:p@ss@db/d": "postgresql://app:***@db/d",
    "postgresql://db/d?user=app&password=users&port=1": (
        "postgresql://db/d?user=app&password=***&port=1"
    ),
    "PGPASSWORD=users psql": "PGPASSWORD=*** psql",
    "env API_TOKEN=users run": "env API_TOKEN=*** run",
    "tool --password users -v": "tool --password *** -v",
    "tool --api-key='users' -v": "tool --api-key='***' -v",
    "['tool', '--token', 'users']": "['tool', '--token', '***']",
    "pg_dump --no-password --file x": "pg_dump --no-password --file x",
    "pg_dump --password --file x": "pg_dump --password --file x",
    "pg_dump --no-password users": "pg_dump --no-password users",
    "curl -u app:users https://db": "curl -u app:*** https://db",
    "curl -H 'X-Api-Key: users' https://db": "curl -H 'X-Api-Key: ***' https://db",
    "curl -H 'Cookie: session=users; a=b'": "curl -H 'Cookie: ***'",
    "git push https://users@example.org/shop": "git push https://***@example.org/shop",
    "curl https://hooks.example.org/users/b": "curl https://hooks.example.org/***",
    "openssl -passin pass:users": "openssl -passin ***",
    "stop --pass users --auth=users": "stop --pass *** --auth=***",
    "AWS_SECRET_ACCESS_KEY=users aws s3": "AWS_SECRET_ACCESS_KEY=*** aws s3",
    "aws --secret-access-key users": "aws --secret-access-key ***",
    "postgresql://app@db/d": "postgresql://app@db/d",
    "sshpass -p users ssh app stop": "sshpass -p *** ssh app stop",
    "redis-cli -h cache -a users FLUSHALL": "redis-cli -h cache -a *** FLUSHALL",
    "mysqladmin -uapp -pusers stop": "mysqladmin -uapp -p*** stop",
    "mysql -p users": "mysql -p users",
    "ALTER ROLE app SET \"app.jwt_secret\" TO 'users'": (
        "ALTER ROLE app SET \"app.jwt_secret\" TO '***'"
    ),
    "SET LOCAL app.api_key = 'users'": "SET LOCAL app.api_key = '***'",
    "SELECT set_config('app.token', 'users', true)": "SELECT set_config('app.token', '***', true)",
    "SET tokens = 'users'": "SET tokens = 'users'",
    'curl -H "Authorization: Bearer users"': 'curl -H "Authorization: ***"',
    '{"user": "app", "password": "us\\"ers"}': '{"user": "app", "password": "***"}',
    "{'db_password': 'users', 'port': 1}": "{'db_password': '***', 'port': 1}",
    "user: app\npassword: users\n": "user: app\npassword: ***\n",
    "SCRAM-SHA-256$4096:c2FsdA==$a=:b=": "***",
    "Key (email)=(a@b.c) already exists.": "Key (email)=(***) already exists.",
    "Key (a, lower(b))=(1, x) y) is not present in table": (
        "Key (a, lower(b))=(***) is not present in table"
    ),
    "Failing row contains (1, a (b), c).": "Failing row contains (***).",
    'CONTEXT:  COPY users, line 3: "1\ta@b.c"': 'CONTEXT:  COPY users, line 3: "***"',
    "password authentication failed for user 'app'": (
        "password authentication failed for user 'app'"
    ),
    "SET password_encryption = 'scram-sha-256'": "SET password_encryption = 'scram-sha-256'",
    "https://example.org/users and a@b.c": "https://example.org/users and a@b.c",
    "add column token, key (a) of users": "add column token, key (a) of users",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_secret_is_hidden_in_every_form(form: str) -> None:
    keep_secret(SECRET)
    assert redact(f"before {form} after") == "before *** after"


@pytest.mark.parametrize(("text", "hidden"), STANDING.items())
def test_what_stands_as_a_secret_is_hidden_whatever_it_is(text: str, hidden: str) -> None:
    assert redact(text) == hidden
    assert redact(hidden) == hidden


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    keep_secret("abcd-1")
    keep_secret("abcd-1-efgh")
    assert redact("abcd-1-efgh") == "***"


@pytest.mark.parametrize(
    "word", ["dev", "pass", "users", "public", "20261127", "140800", "1a2b3", "organizations"]
)
def test_a_word_or_a_date_is_weak_and_not_blotted_out_everywhere(word: str) -> None:
    know_words(["shop_organizations"])
    keep_secret(word, "the password of the target")
    assert redact(f"the {word} table") == f"the {word} table"
    assert redact(f"postgresql://app:{word}@db") == "postgresql://app:***@db"
    assert weak_secrets() == ("the password of the target",)


@pytest.mark.parametrize("secret", ["s3cret", "p@s5!x", "abcdefgh", "1234567890123"])
def test_a_secret_that_is_no_word_is_hidden_everywhere(secret: str) -> None:
    keep_secret(secret)
    assert redact(f"the {secret} table") == "the *** table"
    assert weak_secrets() == ()


@pytest.mark.parametrize(
    "name", ["PGPASSWORD", "APP_SECRET", "deploy_token", "AWS_CREDENTIALS", "STRIPE_API_KEY"]
)
def test_a_variable_whose_name_tells_of_a_secret_is_one(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "t0ken-of-deploy")
    assert redact("said t0ken-of-deploy") == "said ***"
    monkeypatch.delenv(name)
    assert redact("said t0ken-of-deploy") == "said t0ken-of-deploy"


def test_what_a_command_was_given_is_hidden_where_it_repeats_it() -> None:
    learn("tool --password 'hunter 22' postgresql://app:s3cr3t@db")
    assert redact("signed in with hunter 22 and s3cr3t") == "signed in with *** and ***"


def test_keys_numbers_and_names_of_outcomes_stay() -> None:
    keep_secret("passwords")
    keep_secret("12345678901234")
    content = {"passwords": ["passwords", 12345678901234, None, {"passwords": True}]}
    hidden = {"passwords": ["***", 12345678901234, None, {"passwords": True}]}
    assert redact_values(content) == hidden


@pytest.mark.parametrize(
    ("detail", "hidden"),
    [
        ("Key (a, b)=(1, x (y)\n) already exists.", "Key (a, b)=(***) already exists."),
        ("Schlüssel »(a)=(1)« existiert bereits.", "Schlüssel »(a)=(***)« existiert bereits."),
        ("Failing row contains (1, a) b).", "Failing row contains (***)."),
        ("Fehlgeschlagene Zeile enthält (1, a).", "Fehlgeschlagene Zeile enthält (***)."),
        (
            "Partition key of the failing row contains (a) = (5).",
            "Partition key of the failing row contains (a) = (***).",
        ),
    ],
)
def test_the_values_of_a_row_are_hidden_in_any_language(detail: str, hidden: str) -> None:
    assert without_values(detail) == hidden


@pytest.mark.parametrize(
    ("message", "hidden"),
    [
        ('invalid input syntax for type integer: "a" b"', '...for type integer: "***"'),
        ('value "70000" is out of range for type smallint', 'value "***" is out of range...'),
        ("ungültige Eingabesyntax für Typ integer: »a«", "...für Typ integer: »***«"),
        ("syntaxe en entrée invalide pour le type integer : « a »", "...integer : «***»"),
        ('Token "hunter" is invalid.', 'Token "***" is invalid.'),
        ("integer out of range", "integer out of range"),
    ],
)
def test_a_value_is_hidden_in_any_language_unless_the_statement_has_it(
    message: str, hidden: str
) -> None:
    assert re.fullmatch(re.escape(hidden).replace(r"\.\.\.", ".*"), without_quoted(message, "b"))
    assert without_quoted(message, message) == message


def test_a_url_is_shown_without_its_credentials() -> None:
    assert shown_url("s3://me:hunter22@store/shop/?key=abcdef") == "s3://store/shop"
    assert redact("hunter22 key=abcdef") == "*** ***"
    assert shown_url("/mnt/away/") == "/mnt/away"


@pytest.mark.parametrize(
    "text",
    [
        "x = 'abc' and \"token\": y -- foo \n",
        "password ",
        "Key (a)=(b) ",
        "Key (",
        "row contains (",
        "://a:",
        "a:",
        "password/*",
        "password $$",
        "password ''",
        "password='\\",
        "token",
        "--a-token",
        "COPY a",
        "-u a",
    ],
)
def test_a_long_text_takes_no_longer_for_what_it_says(text: str) -> None:
    begin = time.process_time()
    redact("=:://" + text * (200_000 // len(text)))
    assert time.process_time() - begin < 10


def test_a_word_behind_its_option_is_hidden_in_an_argv() -> None:
    argv = ["tool", "--password", "users", "--no-password", "users", "--token", "-v"]
    argv += ["--user", "app:users", "--user", "app"]
    hidden = ["tool", "--password", "***", "--no-password", "users", "--token", "-v"]
    hidden += ["--user", "***", "--user", "app"]
    assert redact_values({"argv": argv}) == {"argv": hidden}
