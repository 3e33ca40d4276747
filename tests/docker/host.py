"""An agent on a real Engine, with this test in the manager's place: for tests of one host."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import docker.errors

from tests.docker.private_engine import PrivateEngine
from zedops.bus.local import LocalBus
from zedops.protocol.sync import (
    DesiredDocument,
    DesiredServer,
    Goal,
    Heartbeat,
    HeartbeatReply,
    Hello,
    Progress,
    Report,
    ServerReport,
)
from zedops.spec import document
from zedops.spec.model import Drift, definition_hash
from zedops.system.ulid import new_id
from zedops_agent.engine.engine import Engine
from zedops_agent.loop import Agent
from zedops_agent.policy_file import PolicyFile

DEADLINE_S = 30.0


class Host:
    """One agent. Stands in as its manager: hands out documents, keeps what is reported."""

    def __init__(
        self, root: Path, api: docker.APIClient, image: str, fleet: str,
        engine_url: str | None = None,
    ) -> None:
        self.root, self.api, self.image, self.fleet = root, api, image, fleet
        self._engine_url = engine_url
        self.policy = root / "agent.yaml"
        self.reports: list[ServerReport] = []
        self.progressed: list[str] = []
        self._servers: dict[str, DesiredServer] = {}
        self._rev = 1
        #: Which fleet of its name this is; None as with a manager of an earlier release.
        self.hub: str | None = None
        self._changed = threading.Condition()
        self._bus = LocalBus()
        self._bus.serve(self)
        self.agent: Agent | None = None

    # --- the manager's side of the bus

    speaks = True

    def sync(self, hello: Hello) -> DesiredDocument:
        return self._document()

    def report(self, report: Report) -> None:
        with self._changed:
            self.reports += report.servers
            self._changed.notify_all()

    def progress(self, progress: Progress) -> None:
        self.progressed.append(progress.text)

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        return HeartbeatReply(epoch=1, rev=self._rev)

    def _document(self) -> DesiredDocument:
        rev = self._rev  # read before the servers: what is newer comes again under its number
        return DesiredDocument(
            fleet=self.fleet, host="here", epoch=1, rev=rev, hub=self.hub,
            servers=dict(self._servers),
        )

    def sync_text(self) -> str:
        """Give the document as it goes over a wire."""
        return self._document().model_dump_json()

    # --- what a test does

    def start(self) -> None:
        """Start the agent."""
        policy = PolicyFile(self.policy)
        self.agent = Agent(self.fleet, "here", Engine(self._engine_url), self.root, policy)
        self.agent.start(self._bus.join("here", self.agent))

    def stop(self) -> None:
        """End the agent; its servers go on."""
        if self.agent is not None:
            self.agent.stop()
            self.agent = None

    def want(
        self,
        name: str,
        text: str = "",
        *,
        goal: Goal = Goal.RUNNING,
        drift: Drift = Drift.HEAL,
        server_id: str | None = None,
        commit: str | None = None,
        **facts: Any,
    ) -> str:
        """Ask for a server defined by YAML (its image is filled in); returns its id."""
        image = "" if "image:" in text else f"image: {self.image}\n"
        parsed = document.parse(f"servers.d/{name}.yaml", (image + text).encode())
        assert parsed.definition is not None, parsed.problems
        known = next((each for each in self._servers.values() if each.name == name), None)
        made = server_id or (known.id if known else new_id(0.0))
        # first the server, then the number: an agent that asks in between must not take one
        # document for the other
        self._servers[made] = DesiredServer(
            id=made, name=name, goal=goal, definition=parsed.definition,
            hash=definition_hash(parsed.definition), commit=commit or f"c{self._rev + 1}",
            drift=drift, **{"created": False, "data_expected": False, **facts},
        )
        self._rev += 1
        self._bus.publish(self._document())
        return made

    def swap(self, one: str, other: str) -> None:
        """Give two servers each other's name, in one document."""
        names = {one: other, other: one}
        self._servers = {
            key: each.model_copy(update={"name": names.get(each.name, each.name)})
            for key, each in self._servers.items()
        }
        self._rev += 1
        self._bus.publish(self._document())

    def pass_on(self, ports: Mapping[str, int]) -> None:
        """Give servers other host ports, in one document."""
        for key, each in self._servers.items():
            (name, port), = each.definition.ports.items()
            moved = port.model_copy(update={"host": ports[each.name]})
            definition = each.definition.model_copy(update={"ports": {name: moved}})
            self._servers[key] = each.model_copy(update={
                "definition": definition, "hash": definition_hash(definition), "commit": "passed",
            })
        self._rev += 1
        self._bus.publish(self._document())

    def wait(
        self, server_id: str, look: Callable[[ServerReport], object], after: int = 0
    ) -> ServerReport:
        """Wait for a report of a server that fits; `after` skips so many reports."""
        found: list[ServerReport] = []

        def fits() -> bool:
            mine = [each for each in self.reports[after:] if each.id == server_id]
            found[:] = [each for each in mine if look(each)]
            return bool(found)

        with self._changed:
            assert self._changed.wait_for(fits, DEADLINE_S), self.reports[-5:]
        return found[0]

    def until(self, look: Callable[[], object]) -> None:
        """Wait until something is so on the Engine."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with contextlib.suppress(docker.errors.NotFound):
                if look():
                    return
            assert time.monotonic() < deadline, self.reports[-3:]
            time.sleep(0.02)

    def wait_running(self, server_id: str, after: int = 0) -> ServerReport:
        """Wait until a server runs and nothing more is to be done."""
        return self.wait(
            server_id,
            lambda each: each.container and each.container.running and each.activity is None
            and each.failure is None,
            after,
        )

    def container(self, name: str) -> dict[str, Any]:
        """Inspect a server's container."""
        facts: dict[str, Any] = self.api.inspect_container(f"{self.fleet}-{name}")
        return facts

    def containers(self) -> list[str]:
        """Name this fleet's containers."""
        filters = {"label": f"zedops.fleet={self.fleet}"}
        found = self.api.containers(all=True, filters=filters)
        return sorted(each["Names"][0].removeprefix("/") for each in found)

    def world(self, server_id: str) -> Path:
        """Say where a server's world is."""
        return self.root / "servers" / server_id / "world"

    def starts(self, server_id: str) -> int:
        """Count how often a server began in its world."""
        world = self.world(server_id) / "world.txt"
        return world.read_text().count("started") if world.exists() else 0

    def wait_started(self, server_id: str, times: int) -> None:
        """Wait until a server has begun so often in its world, and no more often.

        It writes that down a moment after it runs.
        """
        self.until(lambda: self.starts(server_id) >= times)
        assert self.starts(server_id) == times

    def tear_down(self) -> None:
        """Leave nothing behind."""
        self.stop()
        for name in self.containers():
            self.api.remove_container(name, force=True, v=True)


@contextlib.contextmanager
def host_on(engine: PrivateEngine, folder: Path, image: str) -> Iterator[Host]:
    """Start an agent on an Engine of its own; remove everything of it afterwards."""
    with contextlib.closing(engine.connect()) as api:
        made = Host(folder, api, image, f"t{uuid.uuid4().hex[:8]}", engine.url)
        made.start()
        yield made
        made.stop()
        if not engine.running:
            engine.start()
        made.tear_down()
    gc.collect()  # what docker-py forgot is found while that is still ignored
