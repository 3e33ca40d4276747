"""A token for an upstream over https: read from a file, handed to git, shown to nobody.

git asks a credential helper (gitcredentials(7)). The one made here answers from the environment of
that one git process, for that one server; the token is in no argument, no file but the person's
own, and no message. Without a file git uses what it always does: helpers, .netrc, ssh keys.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
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
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({type(error).__name__})") from error
    lines = [line for line in lines if line and not line.startswith("#")]
    wanted = urlsplit(url)
    for line in lines:
        if "://" not in line:
            return Secret(wanted.username or _ANYBODY, line)
        parts = urlsplit(line)
        if parts.password and _server(line) == _server(url):
            return Secret(unquote(parts.username or _ANYBODY), unquote(parts.password))
    raise UsageError(f"{path} has no token for {wanted.hostname or url}; write one line with it")


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


def redact(text: str) -> str:
    """Take out what may stand before a server's name in URLs."""
    return _IN_URL.sub(r"\1", text)
