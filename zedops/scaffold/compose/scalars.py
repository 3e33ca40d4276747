"""A compose file's YAML → plain values, with scalars typed as Compose types them. Pure.

Compose reads YAML with go-yaml v3: `TRUE` is a boolean, `1.20` the number 1.2, `022` the number 18;
`yes` and `22:22` are text, a date is a time. A value keeps its written form, so that an importer
can report a difference. Two tags are Compose's own: `!reset` and `!override` (Compose
Specification, "Merge").
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

#: No compose file has more values than this; aliases can make billions out of a few lines.
MOST_VALUES = 100_000


@dataclass(frozen=True)
class Plain:
    """A scalar without quotes that is null, a boolean, a number or a time (as Go writes it)."""

    written: str
    value: bool | int | float | str | None


@dataclass(frozen=True)
class Reset:
    """`!reset`: drops the values of other files at this place."""


@dataclass(frozen=True)
class Override:
    """`!override`: replaces the values of other files, instead of merging with them."""

    value: Any

_TAG = "tag:yaml.org,2002:"


class Loader(yaml.SafeLoader):
    """Reads mappings, lists, text and `Plain`; refuses a duplicate key."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        "<": [("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"))]
    }

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """Read a scalar; one tagged as text counts as quoted."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        is_text = str(getattr(event, "tag", "")) in ("!", f"{_TAG}str")
        node = super().compose_scalar_node(anchor)
        if is_text and node.style is None:
            node.style = '"'
        return node


def _scalar(_: Loader, node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    return text if node.style is not None else typed(text)


def _mapping(loader: Loader, node: yaml.MappingNode) -> dict[str, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.MarkedYAMLError(problem=f"line {line}: {key.value!r} is there twice")
            seen.add(key.value)
    loader.flatten_mapping(node)
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            raise yaml.MarkedYAMLError(problem=f"line {line}: a key is no text")
        found[str(key.value)] = loader.construct_object(value, deep=True)
    return found


def _sequence(loader: Loader, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(each, deep=True) for each in node.value]


def _tagged(loader: Loader, node: yaml.Node) -> Any:
    match node.tag:
        case "!reset":
            return Reset()
        case "!override":
            return Override(_plain_value(loader, node))
        case tag:
            line = node.start_mark.line + 1
            raise yaml.MarkedYAMLError(problem=f"line {line}: the tag {tag} is not Compose's")


def _plain_value(loader: Loader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node)
    if isinstance(node, yaml.SequenceNode):
        return _sequence(loader, node)
    return _scalar(loader, node) if isinstance(node, yaml.ScalarNode) else None


Loader.add_constructor(f"{_TAG}str", _scalar)
Loader.add_constructor(f"{_TAG}map", _mapping)
Loader.add_constructor(f"{_TAG}seq", _sequence)
Loader.add_constructor(None, _tagged)


def load(text: str) -> Any:
    """Read one YAML document. ValueError if it is invalid or has too many values."""
    trees = load_all(text)
    if len(trees) > 1:
        raise ValueError("it has several YAML documents")
    return trees[0] if trees else None


def load_all(text: str) -> list[Any]:
    """Read every YAML document of a text."""
    try:
        trees = list(yaml.load_all(text, Loader=Loader))
        _count(trees, [0])
    except (yaml.YAMLError, RecursionError) as error:
        fact = " ".join(str(error).split()) or "it is nested too deeply"
        raise ValueError(f"not valid YAML: {fact}") from error
    return trees


def _count(value: Any, total: list[int]) -> None:
    total[0] += 1
    if total[0] > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES} values")
    inside = value.value if isinstance(value, Override) else value
    parts = inside.values() if isinstance(inside, dict) else inside
    for each in parts if isinstance(inside, dict | list) else ():
        _count(each, total)


_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True,
             "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_TIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:([Tt ])(\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?)?"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def typed(text: str) -> Plain | str:
    """Type a scalar without quotes as go-yaml v3 does (resolve.go)."""
    if text in _NULLS:
        return Plain(text, None)
    if text in _BOOLEANS:
        return Plain(text, _BOOLEANS[text])
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return Plain(text, float(text))
    if _SPECIAL.fullmatch(text):
        return Plain(text, float(text.replace(".", "", 1).lower()))
    if time := _TIME.fullmatch(text):
        return _time(text, time)
    return text


def _time(text: str, match: re.Match[str]) -> Plain | str:
    """Write a date, or a time with its zone, as Go prints one."""
    year, month, day, between, hour, minute, second, fraction, zone = match.groups()
    if between and (between == " ") != (zone is None):
        return text
    try:
        when = dt.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0),
                           int(second or 0), tzinfo=dt.UTC).replace(tzinfo=None)
    except ValueError:
        return text
    offset = "+0000" if zone in (None, "Z") else zone.replace(":", "")
    named = "UTC" if offset == "+0000" else offset
    parts = (fraction or "").rstrip("0").rstrip(".")
    return Plain(text, f"{when}{parts} {offset} {named}")


def _integer(text: str) -> Plain | str:
    digits = text.replace("_", "").lstrip("+-").lower()
    sign = -1 if text.startswith("-") else 1
    try:
        if digits.startswith(("0b", "0o", "0x")):
            return Plain(text, sign * int(digits, 0))
        if len(digits) > 1 and digits.startswith("0"):
            return Plain(text, sign * int(digits, 8))
        number = int(digits)
    except ValueError:  # 089 is no octal number; go-yaml reads a float
        return Plain(text, sign * float(digits)) if digits.isdigit() else text
    # below zero an int64, above it a uint64; a longer one is a float
    is_whole = number <= 1 << 63 if sign < 0 else number < 1 << 64
    return Plain(text, sign * (number if is_whole else float(digits)))


def as_text(value: Any) -> str:
    """Write a scalar as Compose does where it needs text (Go's `%v`)."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Plain):
        raise ValueError(f"is {kind(value)}; write a text")
    match value.value:
        case None:
            return ""
        case bool():
            return str(value.value).lower()
        case int() | str():
            return str(value.value)
        case float():
            return _float(value.value)


#: Compose writes 100000, but 1e+06.
_FIRST_EXPONENT = 6


def _float(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    number = Decimal(repr(value)).normalize()
    exponent = number.adjusted()
    if number == 0 or -4 <= exponent < _FIRST_EXPONENT:
        return f"{number:f}"
    return f"{number.scaleb(-exponent):f}e{exponent:+03d}"


def kind(value: Any) -> str:
    """Name a value's kind, for messages."""
    kinds = {dict: "a mapping", list: "a list", str: "a text", Plain: "a plain value"}
    return kinds.get(type(value), "nothing that Compose knows")
