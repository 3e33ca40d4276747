"""Commit statuses, as a forge gets them: over a real connection, in each dialect."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from zedops.errors import Problem
from zedops.manager import commit_status

COMMIT = "c" * 40
PROBLEM = Problem("servers.d/a.yaml", 3, 1, "image", "is required")


@dataclass
class Listener:
    """A server that keeps what it is told and answers as it is set to."""

    port: int
    status: int = 201
    location: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.calls.append({"path": self.path, "headers": self.headers, **json.loads(body)})
            self.send_response(made.status)
            if made.location:
                self.send_header("Location", made.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Listener(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def find(listener: Listener, version: int, path: str) -> commit_status.Forge:
    """Find the API of a repository at the listener."""
    root = f"http://127.0.0.1:{listener.port}"
    made = commit_status.find(f"{root}/{path}.git", "s3cret", f"{root}/api/v{version}/")
    assert made is not None
    return made


def test_gitea_and_forgejo_are_told_as_github_is(listener: Listener) -> None:
    made = find(listener, 1, "ada/fleet")
    made.tell(COMMIT, ())
    made.tell(COMMIT, (PROBLEM,))
    good, bad = listener.calls
    assert good["path"] == f"/api/v1/repos/ada/fleet/statuses/{COMMIT}"
    assert good["headers"]["Authorization"] == "token s3cret"
    assert (good["state"], good["context"], good["description"]) == (
        "success", "zedops", "accepted"
    )
    assert (bad["state"], bad["description"]) == ("failure", str(PROBLEM))


def test_gitlab_is_told_in_its_own_words_in_a_group_of_groups_too(listener: Listener) -> None:
    made = find(listener, 4, "ada/games/fleet")
    made.tell(COMMIT, ())
    made.tell(COMMIT, (PROBLEM,))
    good, bad = listener.calls
    assert good["path"] == f"/api/v4/projects/ada%2Fgames%2Ffleet/statuses/{COMMIT}"
    assert good["headers"]["PRIVATE-TOKEN"] == "s3cret"
    assert "Authorization" not in good["headers"]
    assert (good["state"], good["name"]) == ("success", "zedops")
    assert (bad["state"], bad["description"]) == ("failed", str(PROBLEM))


@pytest.mark.parametrize("version", [1, 4])
def test_a_token_is_not_taken_along_to_another_place(listener: Listener, version: int) -> None:
    listener.status, listener.location = 302, f"http://localhost:{listener.port}/elsewhere"
    with pytest.raises(commit_status.StatusFailed, match="302"):
        find(listener, version, "ada/fleet").tell(COMMIT, ())
    assert [each["path"] for each in listener.calls if "elsewhere" in each["path"]] == []


def test_a_refusal_is_said_without_the_token(listener: Listener) -> None:
    listener.status = 401
    with pytest.raises(commit_status.StatusFailed) as said:
        find(listener, 4, "ada/fleet").tell(COMMIT, ())
    assert "401" in str(said.value)
    assert "s3cret" not in str(said.value)
