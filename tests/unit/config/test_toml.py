"""A key of a TOML file is found by its line, however the file writes it."""

import os
from pathlib import Path

import pytest

from runbook_lib.config.toml import LARGEST, Keys, read_document
from runbook_lib.errors import ConfigError

TEXT = """# comment
title = "one" # [not.a.header]
a.b.c = 1
"quo.ted".'k e y' = 2

[table]
text = \"\"\"
[not_a_table]
key = 3
\"\"\"
other = '''
# ]
'''
after = 4
list = [
    "a", # ]
    "b",
]
last = { inner = { deep = 5 }, list = [{ x = 6 }, { x = 7 }] }

[table.below]
key = 8

[[item]]
name = "first"
[item.part]
size = 9
[[item.piece]]
size = 10
[[item.piece]]
size = 11

[[item]]
name = "second"
part.size = 12
[[item.piece]]
size = 13

  [ spaced . "out" ]  # with a comment
  key = 14
"""


@pytest.mark.parametrize(
    ("keys", "begins"),
    [
        (("title",), 'title = "one"'),
        (("a", "b", "c"), "a.b.c = 1"),
        (("a", "b"), "a.b.c = 1"),
        (("quo.ted", "k e y"), '"quo.ted"'),
        (("table",), "[table]"),
        (("table", "text"), "text = "),
        (("table", "other"), "other = "),
        (("table", "after"), "after = 4"),
        (("table", "list"), "list = ["),
        (("table", "list", 1), "list = ["),
        (("table", "last", "inner", "deep"), "last = "),
        (("table", "last", "list", 1, "x"), "last = "),
        (("table", "below", "key"), "key = 8"),
        (("item",), '[[item]]\nname = "first"'),
        (("item", 0, "name"), 'name = "first"'),
        (("item", 0, "part", "size"), "size = 9"),
        (("item", 0, "piece", 0, "size"), "size = 10"),
        (("item", 0, "piece", 1, "size"), "size = 11"),
        (("item", 1), '[[item]]\nname = "second"'),
        (("item", 1, "part", "size"), "part.size = 12"),
        (("item", 1, "piece", 0, "size"), "size = 13"),
        (("spaced", "out", "key"), "  key = 14"),
        (("table", "missing"), "[table]"),
        (("item", 1, "missing", "deeper"), '[[item]]\nname = "second"'),
        (("nowhere",), "# comment"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_key_has_the_line_where_its_statement_begins(
    keys: Keys, begins: str, newline: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(TEXT.replace("\n", newline).encode())
    line = TEXT.count("\n", 0, f"\n{TEXT}".index(f"\n{begins}")) + 1
    assert read_document(path, ConfigError).line(keys) == line


def test_a_list_of_many_lines_is_placed_in_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    names = "\n".join(f'    "name_{number}",' for number in range(40_000))
    path.write_text(f"a = [\n{names}\n]\nb = 1\n")
    assert read_document(path, ConfigError).line(("b",)) == 40_003


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ConfigError, match=r": This is not a file\. Put"):
            read_document(path, ConfigError)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(ConfigError, match=r"has 4,194,305 bytes\. Make it one of 4,194,304"):
        read_document(path, ConfigError)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        read_document(tmp_path / "a.toml", ConfigError)
