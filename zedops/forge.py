"""Commit statuses: what zedops thinks of a commit, shown beside it on GitHub, Gitea and Forgejo.

They share one call, `POST /repos/OWNER/NAME/statuses/COMMIT` (GitHub REST API, "Commit statuses";
Gitea API, repoCreateStatus). A courtesy: without a token nothing is asked, and trouble is for the
log, never for the fleet.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from zedops.errors import Problem, ZedopsError

_GITHUB = "https://api.github.com"
_TIMEOUT_S = 10.0
#: GitHub refuses longer ones.
_MOST = 140


class StatusFailed(ZedopsError):
    """A status could not be set; nothing depends on it."""


@dataclass(frozen=True)
class Forge:
    """One repository's API."""

    api: str
    repository: str
    token: str = field(repr=False)

    def tell(self, commit: str, problems: tuple[Problem, ...]) -> None:
        """Set the status of a commit. StatusFailed if that cannot be done."""
        body = {
            "state": "failure" if problems else "success",
            "context": "zedops",
            "description": describe(problems),
        }
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked in `find`
            f"{self.api}/repos/{quote(self.repository)}/statuses/{commit}",
            data=json.dumps(body).encode(),
            headers={
                "Authorization": f"token {self.token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "User-Agent": "zedops",
            },
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
                return
        except (OSError, urllib.error.URLError) as error:
            raise StatusFailed(f"commit status at {self.api}: {error}") from error


def find(url: str, token: str | None, api: str | None) -> Forge | None:
    """Find the API that belongs to a remote; None where there is none, or no token for it."""
    if token is None:
        return None
    host, path = _split(url)
    if api is None and host == "github.com":
        api = _GITHUB
    repository = path.strip("/").removesuffix(".git")
    if api is None or urlsplit(api).scheme not in ("http", "https"):
        return None
    if len(PurePosixPath(repository).parts) != 2:
        return None
    return Forge(api.rstrip("/"), repository, token)


def describe(problems: tuple[Problem, ...]) -> str:
    """Say in one short line what came of a commit."""
    if not problems:
        return "taken in"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    text = str(problems[0])
    most = _MOST - len(more)
    return (text if len(text) <= most else text[: most - 1] + "…") + more


def _split(url: str) -> tuple[str, str]:
    """Split `https://host/path`, `ssh://host/path` and `user@host:path`."""
    if "://" in url:
        parts = urlsplit(url)
        return parts.hostname or "", parts.path
    host, _, path = url.partition(":")
    return host.rpartition("@")[2], path
