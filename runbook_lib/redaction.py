"""Hide secrets in everything that is written or shown: the one redactor.

A strong secret is hidden wherever its value stands. A weak one, short or a word of the schema,
cannot be: that would blot out names. It is hidden where it stands as a secret, as any value is that
stands there: behind PASSWORD in SQL, in a URL, in a connection string, behind ``--password``.
What is hidden are values in texts, never keys, names or structure.
"""

import enum
import html
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote as percent_encoded

HIDDEN = "***"
_SHORT = 200  # letters of a text that may come again
_SECRET_NAME = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|KEY$", re.IGNORECASE)

_secrets: dict[str, str] = {}  # each with what it is, which is said where it is weak
_words: set[str] = set()  # names that must stay readable


# --- what is secret -----------------------------------------------------------------------------


def keep_secret(value: str, of: str = "a password") -> None:
    """Hide this value, and its encoded forms, in everything that is written or shown.

    ``of`` says what it is, for a person who has to make it stronger.
    """
    if value and value != HIDDEN:
        _secrets.setdefault(value, of)


def learn(text: str, of: str = "a password") -> None:
    """Keep secret what stands as a secret in a text, such as a URL or a command."""
    for found in _standing(text):
        keep_secret(_unquoted(found["secret"]), of)


def know_words(words: Iterable[str]) -> None:
    """Take note of names that must stay readable: a secret that is part of one is weak."""
    _words.update(words)
    _is_weak.cache_clear()
    _forms_of.cache_clear()


def weak_secrets() -> tuple[str, ...]:
    """Say which secrets are short or ordinary words, so that they cannot be hidden everywhere."""
    return tuple(dict.fromkeys(of for value, of in tuple(_secrets.items()) if _is_weak(value)))


@lru_cache(maxsize=1024)
def _is_weak(value: str) -> bool:
    """Tell whether a value may stand in names, dates and digests by accident."""
    if value.isdigit():
        return len(value) < 12  # the time in the name of a run has eight digits and six
    if re.fullmatch(r"[^\W\d]+", value) and len(value) < 8:
        return True
    return len(value) < 6 or any(value in word for word in _words)


def _of_this_process() -> Iterator[str]:
    """Yield every secret: those that were kept, and variables whose name tells of one."""
    yield from tuple(_secrets)
    for name in os.environ:
        if _tells(name) and (value := os.environ.get(name)):
            yield value


@lru_cache(maxsize=1024)
def _tells(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=16)
def _forms_of(values: frozenset[str]) -> tuple[str, ...]:
    """Return all forms of the strong ones, the longest first: one may be a part of another."""
    forms = {form for value in values if not _is_weak(value) for form in _forms(value)}
    return tuple(sorted(forms, key=len, reverse=True))


def _forms(value: str) -> set[str]:
    """Return the value as a URL, Python and HTML write it, each also as JSON (a notebook) does."""
    plain = {value, percent_encoded(value, safe=""), percent_encoded(value), repr(value)[1:-1]}
    both = (True, False)
    shown = plain | {html.escape(form, quote=quotes) for form in plain for quotes in both}
    escaped = {json.dumps(form, ensure_ascii=ascii_)[1:-1] for form in shown for ascii_ in both}
    return shown | escaped


# --- where a secret stands ----------------------------------------------------------------------

# As conninfo, a shell and an environment write values; in a literal of SQL the quotes are doubled.
_VALUE = (
    r"(?P<secret>''(?:[^'\\\n]|\\.)+''|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(?:\\.|[^\s'\"\\&])+)"
)
# Repeats are bounded where they could be tried again at each place: time stays linear.
# A literal of SQL, maybe inside another literal, or cut short where a text was shortened.
_LITERAL = r"(?P<secret>''[^']+''|'(?:[^'\\]|''|\\.)*(?:'|\Z)|(?P<tag>\$\w*\$).{0,2000}?(?P=tag))"
_GAP = r"(?:\s|/\*.{0,200}?\*/|--[^\n]*\n)+"
_KEY = r"(?:api|(?:secret|private|account)(?:[-_]?access)?)[-_]?key"
_NOUN = rf"(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|{_KEY})"
_ASKING = rf"[\w-]*(?:{_NOUN}|bearer)|pass(?:in|out)?|auth|key|pin"  # options of programs

_CREDENTIALS = tuple(
    (hints, re.compile(pattern, re.IGNORECASE | re.DOTALL | re.MULTILINE))
    for hints, pattern in (
        (("://",), r"://[^\s:/@'\"<>]*:(?P<secret>[^\s/'\"]+)@"),
        (("passw",), rf"\b\w*passw(?:or)?d\"?\s*=\s*{_VALUE}"),
        (("=",), rf"\b\w*{_NOUN}={_VALUE}"),
        (("-",), rf"(?<![\w-])(?!--?no-)--?(?:{_ASKING})(?:[=\s]|['\"],)\s*(?!-){_VALUE}"),
        (("password",), rf"\b(?:ssl)?password\"?{_GAP}(?:E|U&)?{_LITERAL}"),
        (
            (":",),
            rf"{_NOUN}\w{{0,60}}\\?['\"]\s*:\s*\\?['\"](?P<secret>(?:[^'\"\\]|\\.)*?)"
            r"\\?['\"](?=[\s,}\])]|\Z)",
        ),
        (
            ("set ",),
            rf"\bSET\s+(?:LOCAL\s+|SESSION\s+)?[\w.\"]*{_NOUN}\"?\s*(?:=|\bTO\b)\s*(?:E|U&)?{_LITERAL}",
        ),
        (("set_config",), rf"\bset_config\(\s*'[\w.]*{_NOUN}'\s*,\s*(?:E|U&)?{_LITERAL}"),
        ((":",), rf"^[ \t]*\w*{_NOUN}:[ \t]+(?P<secret>\S+)[ \t]*$"),
        (("https://",), r"https://(?P<secret>[^\s/:@'\"<>]+)@"),
        (("https://hooks.",), r"https://hooks\.[\w.]+/(?P<secret>[^\s'\"<>]+)"),
        (
            (":",),
            r"(?:^|['\"])(?:x-[\w-]+|[\w-]*-token|api-?key|cookie):[ \t]*(?P<secret>[^\r\n'\"]+)",
        ),
        (("authorization",), r"\bauthorization\\?['\"]?:\s*(?P<secret>[^\r\n'\"]+)"),
        (("-u", "--user"), r"(?<!\S)(?:-u|--user)[=\s]\s*['\"]?[^\s:'\"]+:(?P<secret>[^\s'\"]+)"),
        # Programs whose option for a password is short.
        (("sshpass",), rf"\bsshpass\s+-p\s*{_VALUE}"),
        (("redis-cli",), rf"\bredis-cli\b[^\n;|&]{{0,200}}?\s-a\s+{_VALUE}"),
        (("mysql",), rf"\bmysql\w*\b[^\n;|&]{{0,200}}?\s-p{_VALUE}"),
        (("scram-sha-256$",), r"(?P<secret>SCRAM-SHA-256\$\d+:[^\s'\"]+)"),
    )
)
_OPTION = re.compile(rf"(?!--?no-)--?(?:{_ASKING})", re.IGNORECASE)
# What the server tells of a row: columns are named, their values are the customers'.
_ROWS = tuple(
    (hints, re.compile(pattern))
    for hints, pattern in (
        (
            (")=(",),
            r"\b[Kk]ey \([^=\n]{1,300}\)=\((?P<secret>.{0,2000})\)(?= already exists"
            r"| is duplicated| is not present| is still referenced| conflicts with)",
        ),
        (("existing key (",), r"existing key \([^=\n]{1,300}\)=\((?P<secret>.{0,2000})\)(?=\.)"),
        (
            ("row contains (",),
            r"row contains (?:\([^=\n]{1,300}\) = )?"
            r"\((?P<secret>.{0,2000}?)\)(?=\.(?:\s|$)|$)",
        ),
        (("copy ",), r"\bCOPY \S+, line \d+(?:, column \S+?)?: (?P<secret>[^\n]+)"),
    )
)


def _standing(text: str) -> Iterator["re.Match[str]"]:
    low = text.lower()
    for hints, pattern in _CREDENTIALS:
        if any(map(low.__contains__, hints)):
            yield from pattern.finditer(text)


def _unquoted(found: str) -> str:
    """Return a value without the quotes around it and what they escape."""
    for mark in ("''", "'", '"'):
        if len(found) >= 2 * len(mark) and found.startswith(mark) and found.endswith(mark):
            return re.sub(r"\\(.)", r"\1", found[len(mark) : -len(mark)]).replace("''", "'")
    return found


def _covered(found: "re.Match[str]") -> str:
    """Return what was found with its secret hidden, the quotes around that kept."""
    secret, (start, end) = found["secret"], found.span("secret")
    mark = next((mark for mark in ("''", "'", '"') if secret.startswith(mark)), "")
    text, begin = found.string, found.start()
    close = mark if mark and secret.endswith(mark) else ""
    return f"{text[begin:start]}{mark}{HIDDEN}{close}{text[end : found.end()]}"


# --- hiding -------------------------------------------------------------------------------------


def redact(text: str) -> str:
    """Return the text with every secret hidden, and the values of rows that an error tells."""
    return _redacted(text, _forms_of(frozenset(_of_this_process())))


def redact_values(value: Any) -> Any:
    """Return what JSON holds with every text redacted; keys, names of enums and numbers stay."""
    return _each(value, _forms_of(frozenset(_of_this_process())))


def _each(value: Any, forms: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return value if isinstance(value, enum.Enum) else _redacted(value, forms)
    if isinstance(value, Mapping):
        return {key: _each(item, forms) for key, item in value.items()}
    if not isinstance(value, (list, tuple)):
        return value
    # In an argv the secret stands behind its option, as a word of its own.
    before = ("", *value[:-1])
    return [
        HIDDEN if _asks(option, item) else _each(item, forms)
        for option, item in zip(before, value, strict=False)
    ]


def _asks(option: Any, word: Any) -> bool:
    """Tell whether a word answers an option that asks for a secret."""
    if not isinstance(option, str) or not isinstance(word, str) or word.startswith("-"):
        return False
    login = option in {"-u", "--user"} and ":" in word
    return login or _OPTION.fullmatch(option) is not None


def _redacted(text: str, forms: tuple[str, ...]) -> str:
    return _redacted_before(text, forms) if len(text) < _SHORT else _redacted_now(text, forms)


@lru_cache(maxsize=1024)
def _redacted_before(text: str, forms: tuple[str, ...]) -> str:
    """Redact a short text: names and words come again with each statement."""
    return _redacted_now(text, forms)


def _redacted_now(text: str, forms: tuple[str, ...]) -> str:
    for form in forms:
        text = text.replace(form, HIDDEN)
    low = text.lower()
    for hints, pattern in (*_CREDENTIALS, *_ROWS):
        if any(map(low.__contains__, hints)):
            text = pattern.sub(_covered, text)
    return text


def without_values(detail: str) -> str:
    """Return the detail of an error about a row, in any language, with the row's values hidden.

    The columns stay: ``Key (email)=(***) already exists.``
    """
    hidden, count = re.subn(r"(?s)\)( ?= ?)\(.*\)", rf")\1({HIDDEN})", detail)
    return hidden if count else re.sub(r"(?s)\(.*\)", f"({HIDDEN})", detail)


_OPEN, _CLOSE = '["»«„“]', '["«»“”]'
_QUOTED = re.compile(rf"(?s){_OPEN}\s?(.*?)\s?{_CLOSE}")
_QUOTED_WHOLE = re.compile(rf"(?s)({_OPEN}).*({_CLOSE})")  # a value may hold quotes itself


def without_quoted(message: str, statement: str) -> str:
    """Return an error about a value, in any language, with the value hidden.

    One that stands in the statement itself is its author's, who wants to see it.
    """
    if all(value in statement for value in _QUOTED.findall(message)):
        return message
    return _QUOTED_WHOLE.sub(rf"\1{HIDDEN}\2", message)


def shown_url(url: str) -> str:
    """Return a URL as it may be shown, without credentials, which are hidden from here on."""
    head, _, query = url.partition("?")
    scheme, separator, rest = head.partition("://")
    place, slash, path = rest.partition("/")
    login, _, host = place.rpartition("@")
    for secret in (login.partition(":")[2], query):
        keep_secret(secret, "the key of a storage")
    return f"{scheme}{separator}{host}{slash}{path}".rstrip("/") if separator else head.rstrip("/")
