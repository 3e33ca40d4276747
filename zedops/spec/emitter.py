"""Writes values as YAML that reads back unchanged: plain where safe, else quoted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Plain text that YAML reads as text.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*(:[A-Za-z0-9_./@+-]+)*")
_TAKEN_FOR_ELSE = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def scalar(text: str) -> str:
    """Write a text, without quotes where YAML reads it as text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _TAKEN_FOR_ELSE:
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """Quote a text and escape characters that do not print (YAML 1.2.2, section 5.7)."""
    return f'"{"".join(map(_escaped, text))}"'


def flow(values: Iterable[str]) -> str:
    """Write a list of texts on one line."""
    return f"[{', '.join(quoted(each) for each in values)}]"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\U{ord(character):08x}"
