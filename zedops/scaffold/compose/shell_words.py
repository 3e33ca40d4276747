"""Splits a command's text into words as Compose does. Pure.

Source: mattn/go-shellwords, `Parse`, without variables and backticks, as compose-go calls it.
"""

from __future__ import annotations

#: Compose ends the command at one of these and ignores the rest.
_OPERATORS = ";&|<>"


def split(text: str) -> list[str]:
    """Split a text into words. ValueError for open quotes, brackets and shell operators."""
    found: list[str] = []
    word: list[str] | None = None
    within, is_escaped = "", False
    for each in text:
        if is_escaped:
            word, is_escaped = word or [], False
            word.append(each)
        elif each == "\\" and within != "'":
            is_escaped = True
        elif each in " \t\r\n" and not within:
            found += [] if word is None else ["".join(word)]
            word = None
        elif each in "'\"" and within in ("", each):
            word, within = word or [], "" if within else each
        else:
            word = word or []
            within = _within(each, within, word)
            word.append(each)
    if within or is_escaped:
        raise ValueError("a quote or bracket has no end")
    return found if word is None else [*found, "".join(word)]


def _within(each: str, within: str, word: list[str]) -> str:
    """Say what a character opens or closes. ValueError for an operator outside quotes."""
    if each == "`" and within in ("", "`"):
        return "" if within else "`"
    if each == "(" and within in ("", "("):
        if within or word[-1:] != ["$"]:
            raise ValueError("Compose cannot read a bracket outside quotes; write a list of words")
        return "("
    if each == ")" and within in ("", "("):
        return "" if within else "("
    if each in _OPERATORS and not within:
        raise ValueError(
            f"Compose cuts it at {each!r} outside quotes; for a shell, write `[sh, -c, …]`, else"
            " a list of words"
        )
    return within
