"""Hands git a token for an upstream over https. It reads the token from a file and never shows it.

git asks a credential helper (gitcredentials(7)). This helper answers from the environment of one
git process, for one server. The token is in no argument, no message, and no file except the
person's own. Without a file git uses its own means: helpers, .netrc, ssh keys.
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
#: GitHub, GitLab and Gitea check only the token, but require a name.
_ANYBODY = "zedops"
_IN_URL = re.compile(r"(\w+://)[^/@\s]+@")


@dataclass(frozen=True)
class GitLogin:
    """The user and token for a server."""

    user: str
    token: str = field(repr=False)


def read_secret(path: Path, url: str) -> GitLogin:
    """Read a server's secret from a file: one token, or lines of `https://user:token@host`.

    UsageError if others could read the file, or if it has no token for the server of the URL.
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
            return GitLogin(wanted.username or _ANYBODY, line)
        parts = urlsplit(line)
        if parts.password and _server(line) == _server(url):
            return GitLogin(unquote(parts.username or _ANYBODY), unquote(parts.password))
    raise UsageError(f"{path} has no token for {wanted.hostname or url}; write one line with it")


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    # git itself writes the colon before a port as %3a (git-credential-store(1))
    return parts.scheme, unquote(parts.netloc.rpartition("@")[2]).lower()


def environment(secret: GitLogin, url: str) -> Mapping[str, str]:
    """Build the environment that gives git a secret for the server of a URL, and no other."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    key = f"credential.{parts.scheme}://{host}.helper"
    first = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    return {
        "GIT_CONFIG_COUNT": str(first + 2),
        f"GIT_CONFIG_KEY_{first}": key,
        f"GIT_CONFIG_VALUE_{first}": "",  # clears the helpers that were named before
        f"GIT_CONFIG_KEY_{first + 1}": key,
        f"GIT_CONFIG_VALUE_{first + 1}": _HELPER,
        "ZEDOPS_GIT_USER": secret.user,
        "ZEDOPS_GIT_TOKEN": secret.token,
    }


def helper(path: Path, url: str) -> list[tuple[str, str]]:
    """Build the settings with which git reads a token from a file each time it needs one.

    They are for a working copy's configuration and hold the file's name, never the token.
    UsageError if the file has no token for the server.
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
    """Apply settings to every git that this process starts."""
    first = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    for at, (key, value) in enumerate(settings, first):
        os.environ |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    os.environ["GIT_CONFIG_COUNT"] = str(first + len(settings))


def redact(text: str) -> str:
    """Remove user and password from the URLs in a text."""
    return _IN_URL.sub(r"\1", text)
