"""A directory, FIFO or link in the place of any file that zedops keeps: one clear line each.

No read waits, none ends in another error than zedops' own, and nothing is removed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.pure.fleets import NOW, server_id
from zedops.bus.nats.authority import Authority
from zedops.cli import fleet_diagnostics, secret_files
from zedops.errors import ZedopsError
from zedops.hub.hub import Hub
from zedops.protocol.findings import Verdict
from zedops.protocol.sync import DesiredDocument, DesiredServer, Goal, ServerReport
from zedops.spec.model import Definition, Drift
from zedops_agent import beside, membership
from zedops_agent.markers import MARKER, Owner
from zedops_agent.memory import Memory
from zedops_agent.observed import Presence
from zedops_agent.policy_file import PolicyFile
from zedops_agent.root import Root
from zedops_agent.secrets import Secrets
from zedops_agent.store import Store
from zedops_agent.volumes import look

ID = server_id(1)
OWNER = Owner(ID, "f", "rosewood")
LONGEST_S = 20


def fill(root: Path) -> None:
    """Make everything that an agent and the NATS server of a fleet keep."""
    store = Store(root, "f")
    Root(root).require()
    store.save_desired(DesiredDocument(fleet="f", host="attic", epoch=1, rev=1))
    store.save_memory(ID, Memory(created=True))
    store.save_unsent([ServerReport(id=ID, at=NOW, about="c1")])
    Secrets(root, "f").prepare()
    value = root / "secrets" / "f" / ID / "TOKEN"
    value.parent.mkdir(parents=True)
    value.write_text("hush")
    world = root / "servers" / ID / "world"
    world.mkdir(parents=True)
    (world / MARKER).write_text("{}")
    store.close()
    membership.save(root, membership.Membership(fleet="f", host="attic", urls=("tls://a:4222",)))
    membership.key_for(root, "token", lambda: "SUAB")
    (root / "agent.yaml").write_text("purge: false\n")
    Authority.open(root / "nats").server_files(["localhost"], datetime.now(UTC))
    (root / "nats" / "server.lock").touch()


def run_agent(root: Path) -> None:
    store = Store(root, "f")
    try:
        Root(root).require()
        store.load_desired()
        store.load_unsent()
        store.load_memory(ID)
        store.save_desired(DesiredDocument(fleet="f", host="attic", epoch=1, rev=2))
        store.save_memory(ID, Memory(created=True))
        store.save_unsent([ServerReport(id=ID, at=NOW, about="c1")])
        store.is_asked_to_drain()
        Secrets(root, "f").prepare()
    finally:
        store.close()


def read_secret(root: Path) -> None:
    definition = Definition(image="i", secrets=["TOKEN"])  # type: ignore[arg-type]
    want = DesiredServer(
        id=ID, name="rosewood", goal=Goal.RUNNING, definition=definition, hash="h", commit="c",
        drift=Drift.HEAL, created=True, data_expected=False,
    )
    secrets = Secrets(root, "f")
    secrets.fingerprint(want)
    secrets.read_values(want)


def look_at_world(root: Path) -> None:
    definition = Definition(image="i", volumes={"world": "/w"})  # type: ignore[dict-item]
    (seen,) = look(root, {"world": root / "servers" / ID / "world"}, OWNER, definition)
    assert seen.marker is not Presence.PRESENT
    beside.note(root / "servers" / ID, "world")


def run_nats(root: Path) -> None:
    Authority.open(root / "nats").server_files(["localhost"], datetime.now(UTC))


#: Each file, and who reads it.
PLACES: dict[str, Callable[[Path], object]] = {
    "servers/.zedops-root.json": run_agent,
    "agent/f/lock": run_agent,
    "agent/f/desired.json": run_agent,
    f"agent/f/memory/{ID}.json": run_agent,
    "agent/f/memory": run_agent,
    "agent/f/unsent.jsonl": run_agent,
    "agent/f/age.key": run_agent,
    "agent/f/recipient": run_agent,
    "agent/f/drain": run_agent,
    "agent/f": run_agent,
    "agent/f/membership.json": lambda root: membership.load(root, "f"),
    "agent/.joining-token": lambda root: membership.key_for(root, "token", lambda: "SUAC"),
    f"secrets/f/{ID}/TOKEN": read_secret,
    f"secrets/f/{ID}": read_secret,
    f"servers/{ID}/world/{MARKER}": look_at_world,
    "agent.yaml": lambda root: PolicyFile(root / "agent.yaml").read_policy(),
    "nats/lock": run_nats,
    "nats/keys.json": run_nats,
    "nats/ca-private.pem": run_nats,
    "nats/roll.json": run_nats,
    "nats/accounts.conf": run_nats,
    "nats/server-private.pem": run_nats,
    "nats": run_nats,
}


def directory(path: Path) -> None:
    path.mkdir()
    (path / "inside").touch()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


KINDS = [directory, fifo, loop, dangling]


@contextmanager
def in_time() -> Iterator[None]:
    """Fail if something waits: a read of a FIFO waits for a writer for ever."""

    def late(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def replaced(path: Path, kind: Callable[[Path], None]) -> tuple[int, int]:
    """Put something else into a file's place; returns its identity."""
    if path.exists():
        path.rename(path.with_name(f"{path.name}.was"))
    kind(path)
    status = path.lstat()
    return status.st_dev, status.st_ino


def is_kept(path: Path, identity: tuple[int, int]) -> bool:
    """Say whether the thing is there still, perhaps set aside."""
    there = [each.lstat() for each in path.parent.glob(f"{path.name}*")]
    return identity in [(each.st_dev, each.st_ino) for each in there]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(PLACES))
def test_whatever_is_in_the_place_of_a_file_it_is_told_in_a_line_and_kept(
    tmp_path: Path, name: str, kind: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    path = tmp_path / name
    identity = replaced(path, kind)
    said = str(tmp_path)
    with in_time():
        try:
            PLACES[name](tmp_path)
        except ZedopsError as error:
            said = str(error)
    assert str(tmp_path) in said
    assert "\n" not in said
    assert is_kept(path, identity) or (kind in (loop, dangling) and path.is_file())
    assert all(record.exc_info is None for record in caplog.records)


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_is_no_file_allows_nothing(
    tmp_path: Path, kind: Callable[[Path], None]
) -> None:
    replaced(tmp_path / "agent.yaml", kind)
    if kind is dangling:
        assert PolicyFile(tmp_path / "agent.yaml").read_policy().purge
        return
    with in_time(), pytest.raises(ZedopsError, match="cannot be used: "):
        PolicyFile(tmp_path / "agent.yaml").read_policy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["hooks/pre-receive", "zedops/nats/server.conf", "zedops/epoch"])
def test_the_checkup_of_a_hub_tells_what_is_no_file(
    tmp_path: Path, name: str, kind: Callable[[Path], None]
) -> None:
    hub = Hub.create(tmp_path / "f.git")
    path = hub.path / name
    path.parent.mkdir(exist_ok=True)
    replaced(path, kind)
    with in_time():
        found = [*fleet_diagnostics.check_hub(hub), *fleet_diagnostics.check_own_nats(hub)]
        with suppress(ZedopsError):
            hub.refs.begin_epoch()
    wrong = [each.fact for each in found if each.verdict is not Verdict.GOOD]
    if name == "hooks/pre-receive":
        assert any("pre-receive" in each or "hooks" in each for each in wrong), wrong
    assert all("\n" not in each for each in wrong)


def test_a_command_tells_of_a_file_that_it_cannot_use_without_calling_it_a_bug(
    tmp_path: Path,
) -> None:
    hub = Hub.create(tmp_path / "f.git")
    place = hub.path / "hooks" / "zedops_hook.py"
    replaced(place, directory)
    done = subprocess.run(
        [sys.executable, "-m", "zedops", "manager", str(hub.path)],
        capture_output=True, text=True, check=False, timeout=60,
    )
    assert done.returncode == 1
    assert f"zedops: cannot use {place}" in done.stderr
    assert "bug" not in done.stderr
    assert (place / "inside").exists()


def test_a_command_reads_no_fifo_in_the_place_of_the_agents_document(tmp_path: Path) -> None:
    fill(tmp_path)
    replaced(tmp_path / "agent/f/desired.json", fifo)
    replaced(tmp_path / "agent/f/membership.json", fifo)
    with in_time():
        assert secret_files.ids_of(tmp_path, "f", None) == {}
        assert secret_files._host(tmp_path, "f") is None
