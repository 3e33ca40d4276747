"""Commit statuses: show zedops' verdict on a commit beside it on its forge.

GitHub, Gitea and Forgejo share one call, `POST /repos/OWNER/NAME/statuses/COMMIT` (GitHub REST API,
"Commit statuses"; Gitea API, repoCreateStatus); GitLab has another, `POST /projects/PATH/statuses/
COMMIT` (GitLab Commits API, "Set commit pipeline status"). A status is a courtesy: without a token
zedops sends none, and a failure goes to the log and never changes the fleet. The token goes to the
API's own host only.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from zedops.errors import Problem, ZedopsError

#: Forges with a known API, by host name.
_KNOWN = {
    "github.com": "https://api.github.com",
    "gitlab.com": "https://gitlab.com/api/v4",
    "codeberg.org": "https://codeberg.org/api/v1",
}
#: The end of every GitLab's API address.
_GITLAB = "/api/v4"
_TIMEOUT_S = 10.0
#: Most characters of a description: GitHub refuses longer ones.
_MOST = 140


class StatusFailed(ZedopsError):
    """The forge did not take a status; nothing depends on it."""


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: it would send the token to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request, so that the redirection is an error."""


@dataclass(frozen=True)
class Forge:
    """One repository's API."""

    api: str
    repository: str
    token: str = field(repr=False)

    def tell(self, commit: str, problems: tuple[Problem, ...]) -> None:
        """Set the status of a commit. StatusFailed if the forge does not take it."""
        if self.api.endswith(_GITLAB):
            place = f"projects/{quote(self.repository, safe='')}/statuses/{commit}"
            state, name, header = "failed" if problems else "success", "name", "PRIVATE-TOKEN"
        else:
            place = f"repos/{quote(self.repository)}/statuses/{commit}"
            state, name, header = "failure" if problems else "success", "context", "Authorization"
        token = self.token if header == "PRIVATE-TOKEN" else f"token {self.token}"
        self._post(place, {"state": state, name: "zedops", "description": describe(problems)},
                   {header: token})

    def _post(self, place: str, body: dict[str, str], headers: dict[str, str]) -> None:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked in `find`
            f"{self.api}/{place}",
            data=json.dumps(body).encode(),
            headers={
                **headers, "Content-Type": "application/json", "Accept": "application/json",
                "User-Agent": "zedops",
            },
            method="POST",
        )
        try:
            with urllib.request.build_opener(_StayHere).open(request, timeout=_TIMEOUT_S):
                return
        except urllib.error.HTTPError as error:
            error.close()
            raise StatusFailed(f"commit status at {self.api}: {error}") from error
        except OSError as error:
            raise StatusFailed(f"commit status at {self.api}: {error}") from error


def find(url: str, token: str | None, api: str | None) -> Forge | None:
    """Find the API of a remote; None if it has none, or without a token."""
    if token is None:
        return None
    host, path = _split(url)
    api = _KNOWN.get(host) if api is None else api.rstrip("/")
    repository = path.strip("/").removesuffix(".git")
    if api is None or urlsplit(api).scheme not in ("http", "https"):
        return None
    parts = len(PurePosixPath(repository).parts)
    if parts < 2 or (parts > 2 and not api.endswith(_GITLAB)):  # GitLab has groups in groups
        return None
    return Forge(api, repository, token)


def describe(problems: tuple[Problem, ...]) -> str:
    """Describe the verdict on a commit in one short line."""
    if not problems:
        return "accepted"
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
