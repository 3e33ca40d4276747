"""Fills in variables of compose files and `.env` files as Compose does. Pure.

Source: Compose Specification, "Interpolation"; compose-go, `template` and `dotenv`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dotenv.parser import parse_stream

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COLON = re.compile(r"\s*((?:export\s+)?[A-Za-z0-9_.-]+)\s*:")
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\([\\'\"abfnrtv$])")
_ESCAPES = {"$": "$$", "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
#: Defaults may hold variables with defaults of their own, nested at most this deep.
_MOST_DEPTH = 20


@dataclass
class Lookup:
    """The variables' values, and the names that were requested but not set."""

    values: Mapping[str, str]
    unset: set[str] = field(default_factory=set)

    def get(self, name: str) -> str | None:
        """Find a variable, or None; records a name that is not set."""
        found = self.values.get(name)
        if found is None:
            self.unset.add(name)
        return found


def fill_in(text: str, lookup: Lookup, depth: int = 0) -> str:
    """Replace `$NAME`, `${NAME}` with its operators, and `$$`; any other `$` stays."""
    if "$" not in text:
        return text
    if depth > _MOST_DEPTH:
        raise ValueError("variables are nested too deeply")
    parts, at = [], 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        value, at = _one(text, dollar + 1, lookup, depth)
        parts.append(value)
    return "".join([*parts, text[at:]])


def _one(text: str, at: int, lookup: Lookup, depth: int) -> tuple[str, int]:
    """Replace the variable after one `$`; returns its value and the position after it."""
    if text.startswith("$", at):
        return "$", at + 1
    if named := _NAME.match(text, at):
        return lookup.get(named[0]) or "", named.end()
    if not text.startswith("{", at):
        return "$", at
    if (named := _NAME.match(text, at + 1)) is None:
        raise ValueError(f"{text!r} has a `$` that begins no variable; write `$$` for a dollar")
    end = _closing(text, at + 1)
    rest = text[named.end() : end]
    operator = next((each for each in _OPERATORS if rest.startswith(each)), "")
    if rest and not operator:
        raise ValueError(f"{text!r}: `{rest}` is no operator; write e.g. ${{NAME:-default}}")
    return _applied(named[0], operator, rest[len(operator) :], lookup, depth), end + 1


def _closing(text: str, at: int) -> int:
    """Find the brace that ends a variable; its default may hold braces of its own."""
    depth = 1
    for place in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise ValueError(f"{text!r} has a variable without its closing brace")


def _applied(name: str, operator: str, other: str, lookup: Lookup, depth: int) -> str:
    value = lookup.values.get(name) if operator else lookup.get(name)
    counts = value is not None and (value != "" or not operator.startswith(":"))
    match operator[-1:]:
        case "-":
            return value or "" if counts else fill_in(other, lookup, depth + 1)
        case "+":
            return fill_in(other, lookup, depth + 1) if counts else ""
        case "?" if not counts:
            why = fill_in(other, lookup, depth + 1) or "it is not set"
            raise ValueError(f"needs the variable {name}: {why}")
    return value or ""


def read_env_file(text: str, outer: Mapping[str, str]) -> dict[str, str]:
    """Read a `.env` or env file: quotes, several lines, comments, `export`, variables.

    `outer` holds the variables from outside the file. They take precedence in substitutions, and
    give a name without `=` its value. ValueError names a line that is no assignment.
    """
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text.removeprefix("\ufeff"))):
        if binding.error:
            line = binding.original.string.strip()[:60]
            if written := _COLON.match(binding.original.string):  # as YAML has it
                inner = f"{written[1]}={binding.original.string[written.end():]}"
                found |= read_env_file(inner, {**found, **outer})
                continue
            raise ValueError(f"line {binding.original.line}: {line!r} is no NAME=value")
        if binding.key is None:
            continue
        if binding.value is None:  # only a name: take the value from outside
            if binding.key in outer:
                found[binding.key] = outer[binding.key]
        elif _is_literal(binding.original.string):
            found[binding.key] = binding.value
        else:
            value = _escaped(binding.original.string) or binding.value
            found[binding.key] = fill_in(value, Lookup({**found, **outer}))
    return found


def _escaped(line: str) -> str | None:
    """Read a value in double quotes that holds `\\$`, a dollar that begins no variable."""
    quoted = _DOUBLE_QUOTED.match(line.partition("=")[2].lstrip())
    if quoted is None or "\\$" not in quoted[1]:
        return None
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), quoted[1])


def _is_literal(line: str) -> bool:
    """Say whether a value is in single quotes, where `$` has no meaning."""
    return line.partition("=")[2].lstrip().startswith("'")


#: Reads one file by its path, absolute or below the project's directory; None: no such file.
Read = Callable[[str], bytes | None]


def decoded(name: str, content: bytes) -> str:
    """Read a file's text. ValueError names a file that is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8; save it as UTF-8") from error
