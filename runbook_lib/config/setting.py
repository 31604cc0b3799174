"""Say of each field that people fill in what it takes: type, range, unit, and what it does."""

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator


@dataclass(frozen=True)
class Setting:
    """Describe a field: what it does, its unit, and the range that it takes, both ends included.

    As metadata of ``Annotated`` it tells pydantic, which imports slowly and is not needed to
    describe anything, to convert nothing: "5" is no number here, and true is none either.
    ``words`` says what a text may be where ``pattern`` narrows it down.
    """

    does: str = ""
    unit: str = ""
    least: float = -math.inf
    most: float = math.inf
    pattern: str = ""
    words: str = ""
    check: Callable[[str], str] | None = None  # says what is wrong with a text, empty for nothing
    given: bool = False  # by whoever reads the file: nobody writes it
    may_hold_secret: bool = False  # a record has its digest in its place

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Narrow the schema that pydantic makes of the type."""
        schema = dict(handler(source))
        kind = schema["type"]
        if kind in {"int", "float", "bool", "datetime"}:
            schema["strict"] = True
        if kind == "datetime":
            schema["tz_constraint"] = "aware"
        if kind in {"int", "float"}:
            bounds = {"ge": self.least, "le": self.most}
            schema |= {key: value for key, value in bounds.items() if math.isfinite(value)}
        if kind == "str" and self.pattern:
            schema["pattern"] = f"^(?:{self.pattern})$"
        return _checked(schema, self.check) if self.check else schema


def _checked(schema: Any, check: Callable[[str], str]) -> Any:
    from pydantic_core import core_schema  # noqa: PLC0415  with pydantic, on first use

    def passed(text: str) -> str:
        if why := check(text):
            raise ValueError(why)
        return text

    return core_schema.no_info_after_validator_function(passed, schema)


def no_pattern(text: str) -> str:
    """Say what keeps a text from being a pattern, empty for nothing."""
    from pydantic_core import SchemaError  # noqa: PLC0415  with pydantic, on first use

    try:
        _found(text)
    except SchemaError as error:
        why = str(error).splitlines()[-1].strip()
        return f"is not a regular expression: {why.rpartition('rror: ')[2].rstrip('.')}"
    return ""


def matches(pattern: str, text: str) -> bool:
    """Tell whether a pattern is found in a text; the time is linear in both (crate regex)."""
    from pydantic_core import ValidationError  # noqa: PLC0415

    try:
        _found(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


@cache
def _found(pattern: str) -> "SchemaValidator":
    from pydantic_core import SchemaValidator, core_schema  # noqa: PLC0415

    return SchemaValidator(core_schema.str_schema(pattern=pattern))


_UNIONS = {Union, types.UnionType}
Text = Annotated[str, Setting(pattern=r".*\S.*", words="a text that says something")]
"""A text that says something."""


@cache
def adapter(kind: "type[Any]") -> "TypeAdapter[Any]":
    """Return what reads and describes a type, made once; the first imports pydantic."""
    from pydantic import TypeAdapter  # noqa: PLC0415  a tenth of a second

    return TypeAdapter(kind)


def hints(kind: type) -> Mapping[str, Any]:
    """Return the types, with their settings, of a dataclass's fields that people fill in."""
    found = get_type_hints(kind, include_extras=True)
    return {key: hint for key, hint in found.items() if not parts(hint)[1].given}


def parts(hint: Any) -> tuple[Any, Setting]:
    """Split a field's type from its setting; where it has none, an empty one."""
    if get_origin(hint) in _UNIONS:  # with None: it may be left out
        return parts(get_args(hint)[0])
    if get_origin(hint) is not Annotated:
        return hint, Setting()
    kind, *told = get_args(hint)
    return kind, next((item for item in told if isinstance(item, Setting)), Setting())


def allowed(hint: Any) -> str:
    """Say in words what a field takes, as "a number of seconds from 0.001 to 3600"."""
    kind, setting = parts(hint)
    words = get_args(kind)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f'"{word}"' for word in words)
    if get_origin(kind) is tuple:
        return _listed(words)
    if is_dataclass(kind) or get_origin(kind) in {dict, Mapping}:
        return "a table"
    if kind is datetime:
        return "a date with a time and its zone, as 2026-01-31T09:00:00Z"
    if kind is bool:
        return "true or false"
    if kind in {int, float}:
        return _number(kind, setting)
    return setting.words or "a text"


def _number(kind: type, setting: Setting) -> str:
    said = "a whole number" if kind is int else "a number"
    said += f" of {setting.unit}" if setting.unit else ""
    least, most = (f"{bound:.15g}" for bound in (setting.least, setting.most))
    if math.isfinite(setting.least) and math.isfinite(setting.most):
        return f"{said} from {least} to {most}"
    return f"{said}, {least} at least" if math.isfinite(setting.least) else said


def _listed(kinds: tuple[Any, ...]) -> str:
    first = parts(kinds[0])[0]
    if is_dataclass(first):
        return "a list of tables"
    words = {str: "texts", float: "numbers", int: "whole numbers"}[first]
    return f"a list of {words}" if kinds[-1] is Ellipsis else f"a list of {len(kinds)} {words}"
