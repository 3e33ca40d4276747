"""Which variables and words of a command hold secrets: names first, then values. Pure.

When in doubt the answer is yes. Never a secret: switches, numbers, the empty text, and references
to the place of a secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAME = re.compile(
    r"PASS(WORD|WD|PHRASE|CODE)?($|_)|PASSWORD|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|AUTH_?KEY"
    r"|ACCESS_?KEY|_KEY$|^KEY$|PW$|PWD$|(^|_)PW_|CLAIM|WEBHOOK(_URL)?$|GSLT|_PIN$",
    re.IGNORECASE,
)
#: Names of switches and paths: their values are no secrets, even if `_NAME` matches, too.
_NO_NAME = re.compile(
    r"_FILE$|_PATH$|_DIR$|^ALLOW_|_ALLOW_|ALLOW_EMPTY|_HINT$|_LIFETIME$|_LENGTH$|_TTL$|_EXPIR"
    r"|_ENABLED$|^ENABLE_|_REQUIRED$|^PWD$|^OLDPWD$",
    re.IGNORECASE,
)
_NO_VALUE = re.compile(r"|true|false|yes|no|on|off|none|null|\d+|\d+\.\d+", re.IGNORECASE)
#: A reference to the place of a secret.
_REFERS = re.compile(r"\$\{[^}]*\}|/run/secrets/\S*|file:\S*")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:(?P<password>[^/\s@]+)@", re.IGNORECASE)
_OPTION = re.compile(
    r"(?:-{1,2}|\+)(?:[\w-]*(?:pass(?:word|wd|phrase)?|secret|token|auth-?key|api-?key)"
    r"|requirepass|masterauth)",
    re.IGNORECASE,
)
#: An assignment inside a longer value: `-Drcon.password=x`, `?ServerPassword=x`, `{"token": "x"}`.
_INSIDE = re.compile(
    r"""(?:pass(?:word|wd|phrase|code)?|secret|token|api-?_?key|auth-?_?key|rcon_?pw)"""
    r"""(?:["']\s?:\s?|["']?=\s?|:(?!\s))["']?(?P<value>[^\s"'&?;,}]+)""",
    re.IGNORECASE,
)
_SQL = re.compile(r"mysql|mariadb")
#: Values that are secrets by their form, under any name.
_FORM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abpr]-|tskey-)\w"
    r"|https://(?:\w+\.)?(?:discord(?:app)?\.com/api/webhooks|hooks\.slack\.com/services)/"
)
_ASSIGNED = re.compile(rf"({_OPTION.pattern})[=:](?P<value>.+)", re.IGNORECASE)


def is_secret(name: str, value: str) -> bool:
    """Say whether a variable probably holds a secret."""
    if holds_password(value) or in_command(value.split()):
        return True
    if _NO_VALUE.fullmatch(value) or _REFERS.fullmatch(value) or _NO_NAME.search(name):
        return False
    return _NAME.search(name) is not None


def holds_password(value: str) -> bool:
    """Say whether a value has a password in it: of a URL, an assigned one, or a known form."""
    if any(not _REFERS.fullmatch(each["password"]) for each in _URL.finditer(value)):
        return True
    if _FORM.search(value):
        return True
    return any(_is_given(each["value"]) for each in _INSIDE.finditer(value))


def in_command(words: Sequence[str]) -> str | None:
    """Find an option of a command that has a password; return the option without it."""
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        if _OPTION.fullmatch(word) and _is_given(following):
            return word
        if (match := _ASSIGNED.fullmatch(word)) and _is_given(match["value"]):
            return match[1]
        if at and (found := _of_program(words[0].rpartition("/")[2], word, following)):
            return found
        if " " in word and (found := in_command(word.split())):
            return found
        if holds_password(word):
            return "a word"
    return None


def _of_program(program: str, word: str, following: str) -> str | None:
    """Find a password in the short option of a well-known client."""
    if _SQL.match(program) and word.startswith("-p") and _is_given(word[2:]):
        return "-p"
    return word if program == "redis-cli" and word == "-a" and _is_given(following) else None


def _is_given(value: str) -> bool:
    plain = value.strip("'\"")
    if not plain or plain.startswith(("-", "$", "/", "%")):
        return False
    return not _NO_VALUE.fullmatch(plain) and not _REFERS.fullmatch(plain)
