"""A token for an upstream over https: read from a file, handed to git, shown to nobody.

git asks a credential helper (gitcredentials(7)). The one made here answers from the environment of
that one git process, for that one server; the token is in no argument, no file but the person's
own, and no message. Without a file git uses what it always does: helpers, .netrc, ssh keys.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from zedops.errors import UsageError

_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$ZEDOPS_GIT_USER" "$ZEDOPS_GIT_TOKEN"; }; f'
)
#: GitHub, GitLab and Gitea look at the token only; some name must be there.
_ANYBODY = "zedops"
_IN_URL = re.compile(r"(\w+://)[^/@\s]+@")


@dataclass(frozen=True)
class Secret:
    """Who one is to a server."""

    user: str
    token: str = field(repr=False)


def read_secret(path: Path, url: str) -> Secret:
    """Read what a file says for a URL's server: one token, or lines of `https://user:token@host`.

    UsageError if others could read the file, or if it says nothing for that server.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others; chmod 600 {path}")
        lines = _lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({type(error).__name__})") from error
    wanted = urlsplit(url)
    for line in lines:
        if "://" not in line:
            return Secret(wanted.username or _ANYBODY, line)
        parts = urlsplit(line)
        if parts.password and _server(line) == _server(url):
            return Secret(unquote(parts.username or _ANYBODY), unquote(parts.password))
    raise UsageError(f"{path} has no token for {wanted.hostname or url}; write one line with it")


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    # git itself writes the colon before a port as %3a (git-credential-store(1))
    return parts.scheme, unquote(parts.netloc.rpartition("@")[2]).lower()


def environment(secret: Secret, url: str) -> Mapping[str, str]:
    """Say in git's own terms who to be, to the server of a URL and to no other."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    key = f"credential.{parts.scheme}://{host}.helper"
    first = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    return {
        "GIT_CONFIG_COUNT": str(first + 2),
        f"GIT_CONFIG_KEY_{first}": key,
        f"GIT_CONFIG_VALUE_{first}": "",  # forgets the helpers that were named before
        f"GIT_CONFIG_KEY_{first + 1}": key,
        f"GIT_CONFIG_VALUE_{first + 1}": _HELPER,
        "ZEDOPS_GIT_USER": secret.user,
        "ZEDOPS_GIT_TOKEN": secret.token,
    }


def helper(path: Path, url: str) -> list[tuple[str, str]]:
    """Write the settings with which git reads a token from a file whenever it needs one.

    They are for a working copy's configuration and hold the file's name, never the token.
    UsageError if the file is of no use.
    """
    secret = read_secret(path, url)
    parts = urlsplit(url)
    key = f"credential.{parts.scheme}://{parts.netloc.rpartition('@')[2]}.helper"
    place = shlex.quote(str(path.absolute()))
    said = f"store --file={place}"
    if "://" not in _lines(path)[0]:
        token = f"sed -n '/^[[:space:]]*[^#[:space:]]/{{s/[[:space:]]//g;p;q;}}' {place}"
        user = shlex.quote(secret.user)
        told = f"printf 'username=%s\\npassword=%s\\n' {user} \"$({token})\""
        said = f'!f() {{ test "$1" = get && {told}; }}; f'
    return [(key, ""), (key, said)]


def for_this_process(settings: Sequence[tuple[str, str]]) -> None:
    """Have every git that this process starts follow settings."""
    first = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    for at, (key, value) in enumerate(settings, first):
        os.environ |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    os.environ["GIT_CONFIG_COUNT"] = str(first + len(settings))


def redact(text: str) -> str:
    """Take out what may stand before a server's name in URLs."""
    return _IN_URL.sub(r"\1", text)
