"""The fleet lives on another git remote: people push there, and zedops keeps up with it."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.conftest import without
from tests.machine import Machine, free_port
from tests.relay import Relay
from tests.remotes import TOKEN, HttpRemote, Remote, bare, git, over_http, over_ssh, sshd
from zedops.fleet.trailers import EMAIL
from zedops.spec.state_block import MARKER
from zedops.system import failpoints

pytestmark = [pytest.mark.docker, pytest.mark.system]

ROUNDS = 100
STATES = "zedops-state"


class Followed(Machine):
    """A host that follows an upstream; its person works in a clone of that."""

    def __init__(
        self, folder: Path, api: docker.APIClient, image: str, remote: Remote, *options: str
    ) -> None:
        super().__init__(folder, api, image)
        self.remote = remote
        self.options: tuple[str, ...] = ("--poll", "0.3s", "--push-gap", "0.3s", *options)
        #: What `zedops up` is told of the fleet.
        self.named: tuple[str, ...] = (str(self.clone),)

    def init(self, settings: str = "") -> None:
        """Begin the fleet on the upstream, which has none yet."""
        self.zedops("init", self.fleet, "--upstream", self.remote.url, cwd=self.folder)
        if settings:
            path = self.clone / "zedops.yaml"
            path.write_text(path.read_text() + settings)
            self.push("settings")

    def command(self) -> list[str]:
        """Say what runs the fleet."""
        _, _, *rest = super().command()
        hub = ("--hub", str(self.hub))
        return ["up", *self.named, *rest, *hub, *self.remote.options, *self.options]

    def say(self, path: str, branch: str = "main") -> dict[str, str]:
        """Read the state that the upstream has of a server, as text."""
        below = self.remote.show(path, branch).partition(MARKER)[2]
        pairs = [line.strip().split(": ", 1) for line in below.splitlines() if ": " in line]
        return {key: value.strip('"') for key, value in pairs}

    def wait_says(self, path: str, key: str, words: str, branch: str = "main") -> str:
        """Wait until the upstream says something of a server; returns the whole line."""
        self.wait_for(lambda: words in self.say(path, branch).get(key, ""))
        return self.say(path, branch)[key]

    def wait_same(self, branch: str = "main") -> None:
        """Wait until the upstream has what the hub has."""
        self.wait_for(lambda: git(self.hub, "rev-parse", "main")
                      == self.remote.git("rev-parse", branch, code=None))

    def edit(self, path: str, old: str, new: str, message: str = "edit") -> str:
        """Change a definition and push it, on top of whatever is there; returns the commit."""
        self.pull()
        file = self.clone / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        self.git("commit", "--quiet", "--all", "-m", message)
        push_over(self.clone)
        return self.git("rev-parse", "HEAD").strip()

    def wait_logged(self, words: str, begun: int) -> None:
        """Wait until zedops has said something since its log had so many characters."""
        self.wait_for(lambda: words in self.log.read_text()[begun:])

    def wait_healed(self, name: str, was: str) -> dict[str, Any]:
        """Wait until another container than before runs; returns its facts."""

        def look() -> dict[str, Any] | None:
            facts = self.container(name)
            return facts if facts and facts["Id"] != was and facts["State"]["Running"] else None

        facts = self.wait_for(look)
        assert facts is not None
        return facts


def push_over(clone: Path) -> int:
    """Push as people do: refused for being behind, they rebase and try again. Returns refusals."""
    for refused in itertools.count():
        assert refused < 50, "nobody gets through"
        said = git(clone, "push", "--quiet", "origin", "HEAD:main", code=None)
        if not said:
            return refused
        assert any(w in said for w in ("fetch first", "non-fast-forward", "cannot lock ref",
                                       "failed to update ref", "incorrect old value")), said
        git(clone, "pull", "--quiet", "--rebase")
    raise AssertionError


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """Make a remote that is a path."""
    path = bare(tmp_path)
    return Remote(path, str(path))


@pytest.fixture
def fleet(
    tmp_path: Path, docker_api: docker.APIClient, image: str, remote: Remote
) -> Iterator[Followed]:
    """Set up a host that follows a path."""
    made = Followed(tmp_path, docker_api, image, remote)
    yield made
    made.tear_down()


@pytest.fixture
def over_the_web(
    tmp_path: Path, docker_api: docker.APIClient, image: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Followed, HttpRemote]]:
    """Set up a host that follows a server which asks for a password."""
    with over_http(tmp_path) as (remote, server):
        made = Followed(
            tmp_path, docker_api, image, remote,
            "--status-api", f"http://127.0.0.1:{server.port}/api/v1",
        )
        plain = os.environ["GIT_CONFIG_GLOBAL"]
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", remote.env["GIT_CONFIG_GLOBAL"])
        made.init()
        # what zedops runs knows no password but the one in its file
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", plain)
        made.up()
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", remote.env["GIT_CONFIG_GLOBAL"])
        yield made, server
        made.tear_down()


def live(fleet: Followed) -> None:
    """Begin a server with plain git and stop it with a command, as in any other fleet."""
    path = fleet.define("rosewood", GREET="ada")
    fleet.git("add", "--all")
    fleet.git("commit", "--quiet", "-m", "rosewood: begin")
    fleet.git("push", "--quiet")
    fleet.wait_says(path, "status", "running")
    assert fleet.container("rosewood") is not None

    fleet.zedops("stop", "rosewood", "--wait")
    assert fleet.say(path)["status"] == "stopped"
    head = fleet.git("show", f"origin/main:{path}").partition(MARKER)[0]
    fleet.git("fetch", "--quiet")
    assert "GREET: ada" in head
    assert fleet.git("log", "-1", "--format=%ae", "--grep=rosewood: stop", "origin/main").strip()
    fleet.wait_same()
    assert fleet.remote.is_never_forced()


def test_a_life_over_a_path(fleet: Followed) -> None:
    fleet.init()
    fleet.up()
    live(fleet)
    fleet.zedops("delete", "rosewood", "--yes", "--wait")
    assert fleet.container("rosewood") is None
    assert fleet.say("tombstones.d/rosewood.yaml")["status"] == "deleted"
    said = git(fleet.folder, "clone", "--quiet", str(fleet.hub), "direct")
    (fleet.folder / "direct" / "note").write_text("x")
    git(fleet.folder / "direct", "add", "note")
    git(fleet.folder / "direct", "commit", "--quiet", "-m", "note")
    said = git(fleet.folder / "direct", "push", code=1)
    assert f"this hub follows {fleet.remote.url}; push there" in said


def test_a_life_over_http_with_a_token_that_nobody_sees(
    over_the_web: tuple[Followed, HttpRemote],
) -> None:
    fleet, _ = over_the_web
    live(fleet)
    fleet.down()
    assert TOKEN not in fleet.log.read_text()
    kept = [path for path in fleet.hub.rglob("*") if path.is_file()]
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]


def test_a_life_over_ssh_with_a_key(
    tmp_path: Path, docker_api: docker.APIClient, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = sshd()
    if program is None:
        without("sshd")
    with over_ssh(tmp_path, program) as remote:
        for key, value in remote.env.items():
            monkeypatch.setenv(key, value)
        fleet = Followed(tmp_path, docker_api, image, remote)
        try:
            fleet.init()
            fleet.up()
            live(fleet)
        finally:
            fleet.tear_down()


def test_a_person_and_the_manager_push_at_once_and_nothing_is_lost(fleet: Followed) -> None:
    fleet.init()
    fleet.options = ("--poll", "0.05s", "--push-gap", "0s", "-v")
    fleet.up()
    servers = [f"s{number}" for number in range(4)]
    for name in servers:
        text = f"image: {fleet.image}\ndesired: stopped\nenv:\n  N: '-1'\nlabels: {{x: y}}\n"
        fleet.write(f"servers.d/{name}.yaml", f"{text}\n{MARKER}\n")
    fleet.git("add", "--all")
    fleet.git("commit", "--quiet", "-m", "begin")
    refused = push_over(fleet.clone)
    for count in range(ROUNDS):
        if count % 2:  # the manager was faster; in the other rounds it is the one that is behind
            _wait_moved(fleet, fleet.git("rev-parse", "HEAD"))
        path = fleet.clone / f"servers.d/{servers[count % 4]}.yaml"
        lines = path.read_text().split("\n")
        lines[3] = f"  N: '{count}'"
        path.write_text("\n".join(lines))
        fleet.git("commit", "--quiet", "--all", "-m", f"round {count}")
        refused += push_over(fleet.clone)

    fleet.wait_for(lambda: all(_is_at(fleet, name, ROUNDS - 4 + n)
                               for n, name in enumerate(servers)), deadline_s=60)
    fleet.wait_same()
    subjects = fleet.remote.git("log", "--format=%s", "main").splitlines()
    assert [n for n in range(ROUNDS) if f"round {n}" not in subjects] == []
    ids = {fleet.say(f"servers.d/{name}.yaml")["id"] for name in servers}
    assert len(ids) == 4
    fleet.wait_for(lambda: len(fleet.containers()) == 4)  # those that were replaced go last
    assert fleet.remote.is_never_forced()
    own = fleet.remote.git("log", "--format=%s", f"--author={EMAIL}", "main").splitlines()
    assert len(own) >= 8, own
    assert refused >= ROUNDS // 2, "the person was never behind"
    merges = fleet.remote.git("log", "--merges", "--format=%s", f"--author={EMAIL}", "main")
    assert len(merges.splitlines()) > 10, "the manager was never behind"
    assert "dangling" not in fleet.remote.git("fsck", "--strict", "--no-dangling")


def _wait_moved(fleet: Followed, head: str) -> None:
    """Wait until the manager has pushed, so that whoever pushes next is behind."""
    fleet.wait_for(lambda: fleet.remote.git("rev-parse", "main") != head)


def _is_at(fleet: Followed, name: str, count: int) -> bool:
    """Say whether the upstream has a person's last edit, and the state that answers it."""
    path = f"servers.d/{name}.yaml"
    asked = fleet.remote.git("log", "-1", "--format=%h", f"--grep=^round {count}$", "main").strip()
    text, said = fleet.remote.show(path), fleet.say(path)
    return (
        f"  N: '{count}'\n" in text and said.get("status") == "stopped"
        and asked.startswith(said["commit"][:7])
    )


def test_with_a_branch_of_its_own_zedops_leaves_main_alone(fleet: Followed) -> None:
    fleet.init(f"state_branch: {STATES}\n")
    fleet.up()
    path = fleet.define("rosewood", GREET="ada")
    fleet.git("add", "--all")
    fleet.git("commit", "--quiet", "-m", "rosewood: begin")
    fleet.git("push", "--quiet")
    begun = fleet.git("rev-parse", "HEAD").strip()
    fleet.wait_says(path, "status", "running", STATES)
    assert fleet.remote.git("rev-parse", "main").strip() == begun
    assert fleet.state("rosewood")["status"] == "running"
    assert json.loads(fleet.zedops("show", "rosewood", "--json").stdout)["status"] == "running"
    assert "creating" in fleet.zedops("history", "rosewood").stdout

    fleet.zedops("stop", "rosewood", "--wait")
    assert fleet.state("rosewood")["status"] == "stopped"
    assert MARKER not in fleet.remote.show(path)
    first = fleet.say(path, STATES)["id"]
    fleet.zedops("delete", "rosewood", "--yes", "--wait")
    assert fleet.state("rosewood")["status"] == "deleted"
    fleet.zedops("restore", "rosewood", "--wait")
    assert fleet.say(path, STATES)["id"] == first
    fleet.zedops("delete", "rosewood", "--yes", "--wait")
    fleet.zedops("purge", "rosewood", "--yes")
    fleet.wait_for(lambda: fleet.remote.show("tombstones.d/rosewood.yaml", STATES) == "")
    assert "rosewood" not in fleet.zedops("list", "--all").stdout
    authors = fleet.remote.git("log", "--format=%ae", "main").split()
    assert EMAIL not in authors
    assert fleet.remote.is_never_forced(STATES)

    fleet.down()
    subprocess.run(["rm", "-rf", str(fleet.hub)], check=True)
    fleet.up()  # a new hub takes up states and ids where the branch has them
    fleet.define("muldraugh")
    fleet.push("muldraugh: begin")
    fleet.wait_says("servers.d/muldraugh.yaml", "status", "running", STATES)


def test_a_webhook_wakes_zedops_if_it_knows_the_secret(fleet: Followed, tmp_path: Path) -> None:
    secret, port = b"a long random text", free_port()
    (tmp_path / "secret").write_bytes(secret + b"\n")
    fleet.init()
    fleet.options = ("--poll", "1h", "--push-gap", "0.1s", "--webhook", str(port),
                     "--webhook-secret", str(tmp_path / "secret"))
    fleet.named = ("--upstream", fleet.remote.url)  # with no clone on that machine
    fleet.up()
    path = fleet.define("rosewood", N="0")
    fleet.push("rosewood: begin")
    body = json.dumps({"ref": "refs/heads/main"}).encode()
    signed = hmac.new(secret, body, hashlib.sha256).hexdigest()
    forged = hmac.new(b"guessed", body, hashlib.sha256).hexdigest()
    bad: list[dict[str, str]] = [
        {}, {"X-Hub-Signature-256": f"sha256={forged}"}, {"X-Hub-Signature-256": signed},
        {"X-Gitea-Signature": forged}, {"X-Gitlab-Token": "guessed"}, {"X-Gitlab-Token": ""},
    ]
    assert [_call(port, body, headers) for headers in bad] == [401] * len(bad)
    assert _call(port, b"x" * (5 << 20), {}) == 413
    assert fleet.remote.git("rev-parse", "main") == fleet.git("rev-parse", "main")
    assert fleet.say(path) == {}  # nothing was looked at, and it will not be for an hour

    good = [{"X-Hub-Signature-256": f"sha256={signed}"}, {"X-Gitea-Signature": signed},
            {"X-Gitlab-Token": secret.decode()}]
    for number, headers in enumerate(good):
        # zedops may push between this pull and this push: that it has data, say
        asked = fleet.edit(path, f"N: {number}", f"N: {number + 1}")
        assert _call(port, body, headers) == 204
        fleet.wait_says(path, "commit", asked[:7])


def _call(port: int, body: bytes, headers: dict[str, str]) -> int:
    """Call the webhook; returns its status. One that will not read all of a body may hang up."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except urllib.error.URLError as error:
        if isinstance(error.reason, (BrokenPipeError, ConnectionResetError)):
            return 413
        raise


def test_a_bad_commit_blocks_only_itself_and_is_told_where_people_look(
    over_the_web: tuple[Followed, HttpRemote],
) -> None:
    fleet, server = over_the_web
    port = free_port()
    good, bad = fleet.define("good", port), fleet.define("bad", GREET="ada")
    fleet.push("begin")
    for path in (good, bad):
        fleet.wait_says(path, "status", "running")
    first = fleet.container("bad")
    assert first is not None

    broken = fleet.edit(bad, "  GREET: ada", "  GREET: [ben]\n  PORT: 1")
    message = fleet.wait_says(bad, "message", "(the last good definition goes on)")
    assert message.startswith(f"{bad}:6")
    assert "GREET: [ben]" in fleet.remote.show(bad)
    _wait_status(server, broken, "failure")

    fleet.edit(good, f'"{port}:8080"', f'"{port}:8080"\nenv: {{GREET: ben}}')
    fleet.wait_for(lambda: "ben" in fleet.get(port))
    fleet.down(kill=True)
    fleet.up()  # what is held is known again, and goes on
    fleet.api.remove_container(first["Id"], force=True)
    assert "GREET=ada" in fleet.wait_healed("bad", first["Id"])["Config"]["Env"]

    taken = f'ports: {{w: "{port}:80"}}'
    mended = fleet.edit(bad, "  GREET: [ben]\n  PORT: 1", f"  GREET: ben\n{taken}")
    fleet.wait_says(bad, "message", f"host port {port}/tcp is also used by 'good'")
    _wait_status(server, mended, "failure")
    freed = fleet.edit(bad, f'"{port}:80"', f'"{free_port()}:80"')
    fleet.wait_says(bad, "commit", freed[:7])
    _wait_status(server, freed, "success")
    assert fleet.say(bad)["message"] == "null"


def _wait_status(server: HttpRemote, commit: str, state: str) -> None:
    """Wait until the forge was told what became of a commit."""

    def is_told() -> bool:
        return any(each["path"] == f"/api/v1/repos/ada/fleet/statuses/{commit}"
                   and each["state"] == state for each in server.statuses)

    with server.changed:
        assert server.changed.wait_for(is_told, timeout=30), server.statuses


def test_deletions_beyond_the_budget_are_put_back_until_they_are_meant(fleet: Followed) -> None:
    fleet.init("deletion_budget: 1\n")
    fleet.up()
    paths = [fleet.define(name) for name in ("a", "b", "c")]
    fleet.push("begin")
    for path in paths:
        fleet.wait_says(path, "data_exists", "true")
    fleet.pull()
    fleet.git("rm", "--quiet", *paths[:2])
    fleet.push("gone by mistake")
    message = fleet.wait_says(paths[0], "message", "its deletion is held back")
    assert "would delete 2 servers with data, more than 1" in message
    assert "Zedops-Allow-Delete: a,b" in message
    assert len(fleet.containers(everything=False)) == 3

    fleet.pull()
    fleet.git("rm", "--quiet", *paths[:2])
    fleet.git("commit", "--quiet", "-m", "gone\n\nZedops-Allow-Delete: a,b")
    push_over(fleet.clone)
    for name in ("a", "b"):
        fleet.wait_says(f"tombstones.d/{name}.yaml", "status", "deleted")
    assert len(fleet.containers()) == 1


def test_an_upstream_that_hangs_refuses_or_is_away_keeps_no_server_waiting(
    tmp_path: Path, docker_api: docker.APIClient, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with over_http(tmp_path) as (remote, server):
        wire = Relay(("127.0.0.1", server.port))
        port = wire.address.rpartition(":")[2]
        remote.url = remote.url.replace(str(server.port), port)
        for name in ("token", "store"):
            secret = tmp_path / name
            secret.write_text(secret.read_text().replace(str(server.port), port))
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", remote.env["GIT_CONFIG_GLOBAL"])
        fleet = Followed(tmp_path, docker_api, image, remote, "--upstream-timeout", "1s")
        try:
            fleet.init()
            fleet.up()
            path = fleet.define("rosewood")
            fleet.push("rosewood: begin")
            fleet.wait_says(path, "status", "running")
            for trouble in (wire.cut(), wire.holding(b"GET"), wire.refusing(b"GET")):
                before = fleet.container("rosewood")
                assert before is not None
                begun = fleet.wait_for(lambda: _said_by_peace(fleet))
                with trouble:
                    wire.wait_met(1)
                    fleet.wait_logged("servers go on, trying again", begun)
                    fleet.api.remove_container(before["Id"], force=True)
                    fleet.wait_healed("rosewood", before["Id"])
                    assert wire.address in fleet.log.read_text()[begun:]
                fleet.wait_logged("is back", begun)
                fleet.wait_same()
            assert TOKEN not in fleet.log.read_text()
            with wire.holding(b"GET"):
                wire.wait_met(1)
                ended = time.monotonic()
                fleet.down()
                assert time.monotonic() - ended < 15
            with wire.cut():
                fleet.up()  # it starts from its own hub
                fleet.wait_logged("servers go on", 0)
        finally:
            fleet.tear_down()
            wire.close()


def _said_by_peace(fleet: Followed) -> int:
    """Say how much zedops has said, if its newest word on the upstream is no trouble; else 0.

    Trouble that goes on is not told again.
    """
    text = fleet.log.read_text()
    return 0 if text.rfind("is back") < text.rfind("trying again") else len(text)


def test_whoever_is_killed_on_the_way_goes_on_where_it_was(fleet: Followed) -> None:
    fleet.init()
    fleet.up()
    path = fleet.define("rosewood", N="0")
    fleet.write(path, (fleet.clone / path).read_text() + "desired: stopped\n")
    fleet.push("rosewood: begin")
    fleet.wait_says(path, "status", "stopped")
    for number, fault in enumerate(failpoints.UPSTREAM_POINTS):
        fleet.down(kill=True)
        asked = fleet.edit(path, f"N: {number}", f"N: {number + 1}")
        fleet.up(fault=fault)
        fleet.wait_for(lambda: fleet.died)
    fleet.down(kill=True)
    fleet.up()
    fleet.wait_says(path, "commit", asked[:7])
    fleet.wait_same()
    fleet.wait_for(lambda: len(fleet.containers()) == 1)  # those that were replaced go last
    assert fleet.remote.is_never_forced()
