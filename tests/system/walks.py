"""What can be done to a server, as walks past the points between two effects. For tests.

One fleet, many servers: each has one thing done to it (its verb) while a fault waits somewhere.
What one fault leaves behind is where the next one begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from tests.machine import Machine, free_port
from tests.system.deaths import Life, documents, ids_in_history
from tests.system.servers import is_running
from zedops.hub.hub import Hub
from zedops.spec.document import Document

#: For each verb the points that the work on its server passes.
TABLE: dict[str, tuple[str, ...]] = {
    "create": (
        "step.Pull", "volume.made", "data.made", "data.marked", "step.MakeData", "step.CheckPorts",
        "create.made", "step.Create", "start.handed", "step.Start", "store.memory",
    ),
    "update": (
        "step.Pull", "step.MakeData", "step.CheckPorts", "create.made", "step.Create",
        "stop.signalled", "step.StopContainer", "step.Rename", "start.handed", "step.Start",
        "store.memory", "remove.removed", "step.Remove",
    ),
    "stop": ("stop.signalled", "step.StopContainer", "store.memory"),
    "start": ("start.handed", "step.Start", "store.memory"),
    "restart": ("store.memory", "stop.signalled", "restart.stopped", "step.Restart"),
    "delete": ("stop.signalled", "step.StopContainer", "remove.removed", "step.Remove"),
    "restore": (
        "step.Pull", "step.MakeData", "create.made", "step.Create", "start.handed", "step.Start",
    ),
    "purge": (
        "step.StopContainer", "step.Remove", "purge.volume", "purge.begun", "purge.emptied",
        "purge.unmarked", "step.RemoveData",
    ),
    "rename": ("name.cleared", "step.Rename"),
    "adopt": ("data.marked", "adopt.marked", "adopt.kept", "store.memory", "step.Adopt"),
    "pause": ("step.Unpause",),
    "limit": ("step.Update",),
    "leave": ("join.left", "step.Join"),
    "crash": ("giveup.stopped",),
}
#: Done to a container by hand; what the others ask for is pushed.
BY_HAND = ("pause", "limit", "leave")
#: They begin with a server that is not there yet.
BEGINS = ("create", "adopt", "crash")
#: How a server is before a verb, where it does not run.
AT_REST = {"start": "stopped", "restore": "deleted"}
NOW = "-now"
SECRET = "correct horse"


@dataclass(frozen=True)
class Walk:
    """One server, what is done to it, and the point where that goes wrong."""

    verb: str
    point: str

    @property
    def name(self) -> str:
        """Name its server."""
        return f"{self.verb}-{self.point}".replace(".", "-").lower()

    def __str__(self) -> str:
        return f"{self.verb}-{self.point}"

    def order(self, mode: str) -> str:
        """Say it as `ZEDOPS_FAULT` does."""
        return f"{self.point}@{renamed(self.verb, self.name)}:{mode}"


WALKS = tuple(Walk(verb, point) for verb, points in TABLE.items() for point in points)


def renamed(verb: str, name: str) -> str:
    """Say what a server is called after a verb."""
    if verb != "rename":
        return name
    return name.removesuffix(NOW) if name.endswith(NOW) else name + NOW


@dataclass
class Walker:
    """Does what walks are about in a fleet, and knows how it was before."""

    machine: Machine
    subjects: list[str] = field(default_factory=list)
    lives: dict[str, Life] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def begin(self, fault: str | None = None) -> None:
        """Make the fleet and start it."""
        allowed = f"bind_roots: [{self.machine.folder}]\nadopt: ['*']\nnetworks: ['*']\n"
        self.machine.policy.write_text(allowed)
        self.machine.init()
        self.machine.up(fault)

    # --- before

    def prepare(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Set up each (verb, server) as the verb needs it, with a world that must not be lost."""
        machine = self.machine
        known = [(verb, name) for verb, name in wanted if verb not in BEGINS]
        for _, name in known:
            self._define(name)
        self.commit("begin")
        machine.git("push", "-o", "no-wait")
        machine.wait_for(lambda: self._all_run({name for _, name in known}), 120)
        for _, name in known:
            self.note(name)
        machine.pull()
        for verb, name in known:
            if verb == "start":
                self._edit(name, lambda text: f"desired: stopped\n{text}")
            elif verb == "restore":
                machine.git("rm", "--quiet", f"servers.d/{name}.yaml")
        self.push("at rest")
        machine.wait_for(
            lambda: all(self.is_at(name, AT_REST[verb]) for verb, name in known if verb in AT_REST)
        )
        machine.pull()

    def note(self, name: str) -> None:
        """Take note of a server as it runs now, and put something into its world."""
        self.ids[name] = str(self.documents()[name].id)
        # git may say so of the container before this one, which is in its place and not started
        self.machine.wait_for(lambda: is_running(self.machine, name))
        self.lives[name] = Life.of(self.machine, f"{self.machine.fleet}-{name}")
        self._kept(name).write_text(self.ids[name])

    def _define(self, name: str) -> None:
        machine = self.machine
        port = free_port() if name.endswith("checkports") else None
        path = machine.define(name, port, GREET="ada")
        text = (machine.clone / path).read_text()
        # one that goes and one that comes with the same text would be one that was renamed
        network = "networks: [bridge]\n" if name.startswith("leave") else ""
        if "-volume" in name:
            own = (f"source: {machine.fleet}-{name}, kind: cache,"
                   " driver_opts: {type: tmpfs, device: tmpfs}")
            world = "  world: /data\n"
            text = text.replace(world, f"{world}  own: {{path: /own, {own}}}\n")
        machine.write(path, f"{network}secrets: [WORD]\nsecrets_as: files\n{text}# {name}\n")
        for each in (name, name + NOW):
            secret = machine.data_root / "secrets" / machine.fleet / each / "WORD"
            secret.parent.mkdir(parents=True, exist_ok=True)
            secret.write_text(SECRET)

    # --- what is done

    def do(self, verb: str, name: str) -> None:
        """Do it, but for the push."""
        clone = self.machine.clone
        path, grave = clone / f"servers.d/{name}.yaml", clone / f"tombstones.d/{name}.yaml"
        match verb:
            case "create":
                self._define(name)
            case "update":
                self._edit(name, _updated)
            case "stop":
                self._edit(name, lambda text: f"desired: stopped\n{text}")
            case "start":
                self._edit(name, lambda text: text.replace("desired: stopped\n", ""))
            case "restart":
                self._edit(name, lambda text: f"restart: once\n{text}")
            case "delete":
                path.unlink()
            case "restore":
                grave.rename(path)
            case "purge":
                self.machine.write(f"tombstones.d/{name}.yaml", f"purge: data\n{path.read_text()}")
                path.unlink()
            case "rename":
                self._take_name(renamed(verb, name))
                path.rename(path.with_stem(renamed(verb, name)))
            case "adopt":
                self._meet_stranger(name)
            case "crash":
                self._define(name)
                self._edit(name, lambda text: f"command: [/bin/sh, -c, exit 3]\n{text}")
            case "pause":
                self.machine.api.pause(f"{self.machine.fleet}-{name}")
            case "limit":
                never: Any = {"Name": "no"}
                self.machine.api.update_container(
                    f"{self.machine.fleet}-{name}", restart_policy=never
                )
            case "leave":
                self.machine.api.disconnect_container_from_network(
                    f"{self.machine.fleet}-{name}", "bridge"
                )
            case _:
                raise AssertionError(verb)

    def _edit(self, name: str, change: Callable[[str], str]) -> None:
        path = self.machine.clone / f"servers.d/{name}.yaml"
        path.write_text(change(path.read_text()))

    def _meet_stranger(self, name: str) -> None:
        """Run a container by hand, with a world and a password, and ask for it to be adopted."""
        machine = self.machine
        world, container = machine.folder / f"by-hand-{name}", self._by_hand(name)
        world.mkdir()
        made = machine.api.create_container(
            machine.image, name=container, environment={"GREET": "ada", "WORD": SECRET},
            host_config=machine.api.create_host_config(binds=[f"{world}:/data"]),
        )["Id"]
        machine.api.start(made)
        machine.wait_for(world.joinpath("world.txt").exists)
        world.joinpath("kept.txt").write_text(name)
        self.lives[name] = Life.of(machine, container)
        machine.write(f"servers.d/{name}.yaml", (
            f"image: {machine.image}\nadopt: {container}\nenv: {{GREET: ada}}\nsecrets: [WORD]\n"
            f"stop: {{grace: 5s}}\nvolumes: {{world: {{path: /data, source: {world}}}}}\n"
        ))

    def _take_name(self, name: str) -> None:
        """Have a container of the fleet that no server owns under a server's name."""
        machine = self.machine
        machine.api.create_container(machine.image, name=f"{machine.fleet}-{name}", labels={
            "zedops.fleet": machine.fleet, "zedops.hub": Hub(machine.hub).identity(),
        })

    def _by_hand(self, name: str) -> str:
        return f"{self.machine.fleet}-by-hand-{name}"

    def try_again(self, name: str) -> None:
        """Ask anew, as `zedops retry` does."""
        self._edit(name, lambda text: "restart: again\n" + text.replace("restart: once\n", ""))

    def commit(self, message: str) -> None:
        """Commit everything, and remember that."""
        self.machine.git("add", "--all")
        self.machine.git("commit", "--quiet", "--allow-empty", "-m", message)
        self.subjects.append(message)

    def push(self, message: str) -> str:
        """Commit and push, whatever comes of it; returns what was said."""
        self.commit(message)
        return self.push_again()

    def push_again(self) -> str:
        """Push what may be in already; a purge of a server that lives asks for its name."""
        named = [each for name in self.ids for each in ("-o", f"allow-delete={name}")]
        options = ["-o", "no-wait", "-o", "allow-delete=all", *named]
        return self.machine.git("push", *options, code=None)

    # --- what is there

    def documents(self) -> dict[str, Document]:
        """Read every server and tombstone from the hub."""
        return documents(self.machine)

    def _all_run(self, names: set[str]) -> bool:
        states = {name: each.state for name, each in self.documents().items() if name in names}
        runs = [each for each in states.values()
                if each and each.status == "running" and each.data_exists]
        return len(runs) == len(names)

    def is_at(self, name: str, status: str) -> bool:
        """Say whether git says that a server is so."""
        found = self.documents().get(name)
        return found is not None and found.state is not None and found.state.status == status

    def _kept(self, name: str) -> Path:
        """Say where something is in a server's world that nobody may lose."""
        if name not in self.ids:
            return self.machine.folder / f"by-hand-{name}" / "kept.txt"
        return self.machine.data_root / "servers" / self.ids[name] / "world" / "kept.txt"

    def ups(self, server_id: str) -> list[bool]:
        """List every container of a server: whether it runs."""
        return [each["State"] == "running" for each in self.machine.containers()
                if each["Labels"].get("zedops.server.id") == server_id]

    # --- what must hold

    def has_arrived(self, verb: str, name: str) -> bool:
        """Say whether git tells that a walk has come to its end."""
        match verb:
            case "stop":
                return self.is_at(name, "stopped")
            case "delete":
                return self.is_at(name, "deleted")
            case "purge":
                return name not in self.documents()
            case "rename":
                return self.is_at(renamed(verb, name), "running") and name not in self.documents()
            case "crash":
                return self.is_at(name, "failed")
            case _:
                return self.is_at(name, "running")

    def check(self, verb: str, name: str) -> None:
        """Hold what became of a server against what was asked for; waits where that takes time."""
        machine, now = self.machine, renamed(verb, name)
        machine.wait_for(lambda: self.has_arrived(verb, name))
        if verb == "purge":
            home = self._kept(name).parent.parent
            assert not home.exists(), (home, list(home.rglob("*")), machine.said())
            assert self.ups(self.ids[name]) == []
            assert "-volume" not in name or f"{machine.fleet}-{name}" not in machine.volumes()
            return
        server_id = str(self.documents()[now].id)
        assert self.ids.get(name, server_id) == server_id
        if verb not in ("create", "crash"):
            assert self._kept(name).read_text() in (server_id, name)
        wanted = {"delete": [], "adopt": [], "stop": [], "crash": [False]}.get(verb, [True])
        # the one before an update goes once this one has proven itself, which no stopped one does
        machine.wait_for(lambda: (
            [up for up in self.ups(server_id) if up or verb not in ("update", "stop")] == wanted
        ))
        assert verb != "stop" or self.ups(server_id)
        self._check_container(verb, name, f"{machine.fleet}-{now}")

    def _check_container(self, verb: str, name: str, container: str) -> None:
        """Look at the container: the one that was there, or the right new one."""
        machine = self.machine
        match verb:
            case "create" | "update" | "restore":
                greets = {"create": "ada", "update": "eve"}.get(verb, "")
                machine.wait_for(lambda: f"GREET={greets}" in self._environment(container))
            case "rename" | "pause":
                machine.wait_for(lambda: self._environment(container))
                assert Life.of(machine, container) == self.lives[name]
            case "limit":
                assert Life.of(machine, container) == self.lives[name]
                facts = machine.api.inspect_container(container)
                assert facts["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
            case "leave":
                assert Life.of(machine, container) == self.lives[name]
                machine.wait_for(lambda: machine.api.inspect_container(container)
                                 ["NetworkSettings"]["Networks"])
            case "restart" | "start":
                before = self.lives[name]
                # of one that is restarted git says "running" all along
                machine.wait_for(lambda: self._started_at(container) > before.started_at)
                assert Life.of(machine, container).container == before.container
            case "adopt":
                assert Life.of(machine, self._by_hand(name)) == self.lives[name]
                holder = str(machine.state(name)["id"])
                secret = machine.data_root / "secrets" / machine.fleet / holder / "WORD"
                assert secret.read_text() == f"{SECRET}\n"

    def _started_at(self, container: str) -> str:
        at: str = self.machine.api.inspect_container(container)["State"]["StartedAt"]
        return at

    def _environment(self, container: str) -> str:
        try:
            facts = self.machine.api.inspect_container(container)
            return " ".join(facts["Config"]["Env"] or [])  # the one that was in the way has none
        except docker.errors.NotFound:
            return ""

    def check_fleet(self) -> None:
        """No commit lost, no broken history, no server twice, and no second birth of one."""
        machine = self.machine
        said = machine.git("log", "--format=%s", "main", cwd=machine.hub).splitlines()
        assert set(self.subjects) <= set(said)
        found = self.documents()
        assert not [each.problems for each in found.values() if each.problems]
        known = {str(each.id) for each in found.values()} | set(self.ids.values())
        assert ids_in_history(machine) == known
        assert [each for each in known if sum(self.ups(each)) > 1] == []

    def tear_down(self) -> None:
        """Leave nothing behind."""
        self.machine.tear_down()
        by_hand = {"name": self._by_hand("")}
        for each in self.machine.api.containers(all=True, filters=by_hand):
            self.machine.api.remove_container(each["Id"], force=True, v=True)


def _updated(text: str) -> str:
    """Change a variable, and the port of a server that has one: it has the same one already."""
    text = text.replace("GREET: ada", "GREET: eve")
    return re.sub(r'"\d+:8080"', lambda _: f'"{free_port()}:8080"', text)


def met(orders: Path) -> set[str]:
    """Read which points a process that follows such a file has met, as `point@server`."""
    path = Path(f"{orders}.met")
    return set(path.read_text().split()) if path.exists() else set()
