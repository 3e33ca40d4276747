"""Finds a regular expression in a line of a log, in time that grows with the line alone. Pure.

Python's `re` may take years for one line (`(a+)+b`), and holds every other thread meanwhile. Both
the expression and the output come from people whom a host need not trust. So this follows all ways
through an automaton at once (Thompson, 1968), and never goes back. It reads the part of Python's
syntax that needs no memory of earlier text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

MAX_PATTERN = 300
#: The characters of a line that count.
MAX_LINE = 1000
_MOST_STATES = 300
#: Steps that an expression keeps: (states, character) → states.
_MOST_KEPT = 5000
_COUNTED = re.compile(r"\{(\d{0,3})(?:(,)(\d{0,3}))?\}")
_ESCAPE = re.compile(r"\\(?:[dDsSwWtnrfv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^a-zA-Z0-9])")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]")
#: Python warns about these in a class: they may become operators.
_LATER_OPERATORS = re.compile(r"\[|--|&&|\|\||~~")
_END = 0

_DEEPEST = 30

Fits = Callable[[str], object]
#: Adds the states of a part of the expression before a state, and returns the first of them.
Part = Callable[[int], int]


class LogPattern:
    """One expression. ValueError says what about it is not understood."""

    def __init__(self, text: str) -> None:
        if not text or len(text) > MAX_PATTERN:
            raise ValueError(f"write a regular expression of 1 to {MAX_PATTERN} characters")
        states = _States()
        parser = _Parser(text, states)
        self._states, self._start = states, states.closed([parser.whole()(_END)])
        self._from_start, self._to_end = parser.from_start, parser.to_end
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def is_in(self, line: str) -> bool:
        """Say whether a line contains a match; its first characters count (MAX_LINE)."""
        now = self._start
        for character in line[:MAX_LINE]:
            if _END in now and not self._to_end:
                return True
            after = self._known.get((now, character))
            now = self._step(now, character) if after is None else after
        return _END in now

    def _step(self, now: frozenset[int], character: str) -> frozenset[int]:
        found = self._states.after(now, character)
        if not self._from_start:
            found |= self._start
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[now, character] = found
        return found


class _States:
    """An automaton: a state has the test of a character with the next state, or next states."""

    def __init__(self) -> None:
        self._tests: list[tuple[Fits, int] | None] = [None]
        self._ways: list[tuple[int, ...]] = [()]

    def add(self, test: tuple[Fits, int] | None, *ways: int) -> int:
        """Add a state; ValueError if there are too many."""
        if len(self._tests) >= _MOST_STATES:
            raise ValueError("has too many parts; write a shorter one, or smaller repeats")
        self._tests.append(test)
        self._ways.append(ways)
        return len(self._tests) - 1

    def loop(self, part: Part, after: int) -> int:
        """Add a state that leads through a part and back, or on."""
        at = self.add(None)
        self._ways[at] = (part(at), after)
        return at

    def after(self, now: Iterable[int], character: str) -> frozenset[int]:
        """List the states after a character."""
        tests = filter(None, (self._tests[each] for each in now))
        return self.closed(following for fits, following in tests if fits(character))

    def closed(self, states: Iterable[int]) -> frozenset[int]:
        """List the states that can be reached without a character, of those that test one."""
        found, left = set[int](), list(states)
        while left:
            if (each := left.pop()) not in found:
                found.add(each)
                left += self._ways[each]
        return frozenset(each for each in found if each == _END or self._tests[each] is not None)


class _Parser:
    def __init__(self, text: str, states: _States) -> None:
        self._flags = re.IGNORECASE if text.startswith("(?i)") else re.NOFLAG
        self._text = text.removeprefix("(?i)")
        self.from_start = self._text.startswith("^")
        self.to_end = self._text.endswith("$") and not re.search(r"(?<!\\)(\\\\)*\\\$$", self._text)
        self._text = self._text[self.from_start : len(self._text) - self.to_end]
        self._at, self._states, self._depth = 0, states, 0

    def whole(self) -> Part:
        """Read the whole expression."""
        part, choices = self._choices()
        if self._at < len(self._text):
            raise ValueError("has a `)` without its `(`")
        if choices > 1 and (self.from_start or self.to_end):
            raise ValueError("has `^` or `$` beside `|`; put the choices into a group: ^(a|b)$")
        return part

    def _choices(self) -> tuple[Part, int]:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        if len(parts) == 1:
            return parts[0], 1
        add = self._states.add
        return (lambda after: add(None, *(each(after) for each in parts))), len(parts)

    def _sequence(self) -> Part:
        parts: list[Part] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._atom()))

        def sequence(after: int) -> int:
            for each in reversed(parts):
                after = each(after)
            return after

        return sequence

    def _atom(self) -> Part:
        if self._take("("):
            if self._take("?") and not self._take(":"):
                raise ValueError("has a `(?`; only `(?:` is understood, and `(?i)` first")
            self._depth += 1
            if self._depth > _DEEPEST:
                raise ValueError("has too many groups inside each other")
            part, _ = self._choices()
            self._depth -= 1
            if not self._take(")"):
                raise ValueError("has a `(` without its `)`")
            return part
        fits = self._character()
        return lambda after: self._states.add((fits, after))

    def _character(self) -> Fits:
        here = self._text[self._at]
        if here in "*+?":
            raise ValueError(f"has a {here} that repeats nothing")
        if here in "^$":
            raise ValueError(f"has a {here} in its midst; write \\{here} for the character")
        if here == ".":
            self._at += 1
            return lambda _: True
        if here not in "[\\":
            self._at += 1
            return self._test(re.escape(here))
        found = (_CLASS if here == "[" else _ESCAPE).match(self._text, self._at)
        if found is None:
            rest = self._text[self._at : self._at + 8]
            raise ValueError(f"has {rest!r}, which is not understood")
        if here == "[" and (odd := _LATER_OPERATORS.search(found[0], 1)):
            raise ValueError(f"has {odd[0]} in a class; write a backslash before it")
        self._at = found.end()
        return self._test(found[0])

    def _test(self, text: str) -> Fits:
        try:
            return re.compile(text, self._flags).fullmatch
        except re.error as error:
            raise ValueError(f"has {text}: {error}") from error

    def _repeated(self, part: Part) -> Part:
        least, most = self._times()
        if (least, most) == (1, 1):
            return part
        add, loop = self._states.add, self._states.loop

        def repeated(after: int) -> int:
            end = after
            if most is None:
                after = loop(part, after)
            for _ in range((most or least) - least):
                after = add(None, part(after), end)
            for _ in range(least):
                after = part(after)
            return after

        return repeated

    def _times(self) -> tuple[int, int | None]:
        """Read how often a part comes; None: as often as there is."""
        known = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        here = self._text[self._at : self._at + 1]
        found = _COUNTED.match(self._text, self._at)
        if here in known and here:
            self._at += 1
            times: tuple[int, int | None] = known[here]
        elif found is not None and found[0] not in ("{}", "{,}"):
            self._at = found.end()
            least = int(found[1] or 0)
            times = least, (least if not found[2] else int(found[3]) if found[3] else None)
        else:
            return 1, 1
        if times[1] is not None and times[1] < times[0]:
            raise ValueError("has a repeat that goes backwards")
        self._take("?")  # a lazy repeat finds the same lines
        if self._text[self._at : self._at + 1] in ("*", "+", "?"):
            raise ValueError("has two repeats in a row; put the first one into a group")
        return times

    def _take(self, text: str) -> bool:
        taken = self._text.startswith(text, self._at)
        self._at += len(text) if taken else 0
        return taken


@lru_cache(maxsize=256)
def compiled(text: str) -> LogPattern:
    """Read an expression once. ValueError says what about it is not understood."""
    return LogPattern(text)
