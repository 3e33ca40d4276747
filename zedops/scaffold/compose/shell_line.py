"""Reads a line as a POSIX shell does, up to the words of one command. Pure.

It fills in variables, `$(pwd)` and `~/`. It refuses other commands inside the line, and a second
command behind it: nothing here runs a command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_HERE = ("$(pwd)", "$(PWD)", "`pwd`", "${PWD}")
_OPERATORS = ";|&<>()"
#: A backslash inside double quotes escapes only these (POSIX, "Double-Quotes").
_ESCAPED = '"\\$`\n'


class ShellLine:
    """One line; `unset` names the variables that it needs and that are not set."""

    def __init__(self, directory: str, variables: Mapping[str, str]) -> None:
        self._variables = {**variables, "PWD": directory}
        self._here = directory
        self.unset: set[str] = set()
        self._words: list[str] = []
        self._word: str | None = None

    def words(self, text: str) -> list[str]:
        """Split a line into words. ValueError for a second command or an open quote."""
        text = text.replace("\\\r\n", "").replace("\\\n", "")
        at = 0
        while at < len(text):
            at = self._one(text, at)
        self._end()
        return self._words

    def _one(self, text: str, at: int) -> int:
        """Read one character, quote or variable; returns the place behind it."""
        each = text[at]
        if each.isspace():
            self._end()
        elif each == "'":
            return self._single(text, at + 1)
        elif each == '"':
            return self._double(text, at + 1)
        elif each == "\\":
            self._add(text[at + 1 : at + 2])
            return at + 2
        elif each in "$`" and (found := self._value(text, at)) is not None:
            value, behind = found
            first, *more = re.split(r"\s+", value)
            self._add(first) if first else None
            for word in more:  # a shell splits what stands outside quotes
                self._end()
                self._add(word) if word else None
            return behind
        elif each == "~" and self._word is None and text[at + 1 : at + 2] in ("/", "", " "):
            self._add(self._variables.get("HOME", "/"))
        elif each in _OPERATORS:
            raise ValueError(f"the line goes on behind {each!r}; paste the one command alone")
        else:
            self._add(each)
        return at + 1

    def _single(self, text: str, at: int) -> int:
        end = text.find("'", at)
        if end < 0:
            raise ValueError("a quote has no end")
        self._add(text[at:end])
        return end + 1

    def _double(self, text: str, at: int) -> int:
        self._add("")
        while at < len(text) and text[at] != '"':
            if text[at] == "\\" and text[at + 1 : at + 2] in _ESCAPED:
                self._add(text[at + 1 : at + 2])
                at += 2
            elif text[at] in "$`" and (found := self._value(text, at)) is not None:
                self._add(found[0])
                at = found[1]
            else:
                self._add(text[at])
                at += 1
        if at >= len(text):
            raise ValueError("a quote has no end")
        return at + 1

    def _value(self, text: str, at: int) -> tuple[str, int] | None:
        """Fill in a variable; None for a dollar that begins none."""
        for each in _HERE:
            if text.startswith(each, at):
                return self._here, at + len(each)
        if named := _VARIABLE.match(text, at):
            name = named[1] or named[2]
            if name not in self._variables:
                self.unset.add(name)
            return self._variables.get(name, ""), named.end()
        if text.startswith(("$(", "`", "${"), at):
            part = text[at : at + 20]
            raise ValueError(f"the line has {part!r} in it; write its value there")
        return None

    def _add(self, text: str) -> None:
        self._word = (self._word or "") + text

    def _end(self) -> None:
        if self._word is not None:
            self._words.append(self._word)
        self._word = None
