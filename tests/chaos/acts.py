"""What people, crashes and broken things do: each act is small, and one of a seeded order."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import docker
import requests

from tests.chaos.site import ManyHosts, Site
from tests.system.many import RemoteHost

#: What the Engine may answer while it is being killed, or about a container that is gone.
ENGINE_SAYS_NO = (docker.errors.DockerException, requests.RequestException)


@dataclass
class Expected:
    """What people last asked of each server."""

    running: dict[str, bool] = field(default_factory=dict)
    #: Servers whose newest definition cannot work, with the text that did.
    bad: dict[str, str] = field(default_factory=dict)
    #: Data directories that were moved away: place, and where they are.
    away: dict[Path, Path] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)


@dataclass
class Chaos:
    """The acts, over one site."""

    site: Site
    expected: Expected
    dice: random.Random
    count: int = 0

    def act(self) -> str:
        """Do one thing; returns its name."""
        table: list[tuple[int, Callable[[], object]]] = [
            (20, self.edit), (4, self.stop_or_start), (3, self.new), (2, self.delete),
            (2, self.restore), (4, self.bad_edit), (3, self.mend), (2, self.broken_file),
            (2, self.rename), (3, self.restart), (2, self.swap_ports),
            (6, self.by_hand), (6, self.by_hand), (2, self.move_data),
            (4, self.kill_zedops), (2, self.end_zedops), (2, self.freeze), (1, self.engine),
        ]
        if isinstance(self.site, ManyHosts):
            table += [(4, self.cut), (4, self.heal), (1, self.kill_nats)]
        weights, acts = zip(*table, strict=True)
        chosen = self.dice.choices(acts, weights)[0]
        if not isinstance(done := chosen(), str):
            done = ""
        return f"{chosen.__name__} {done}".strip()

    # --- people

    def edit(self) -> str | None:
        """Change a value that the container has."""
        if (name := self._pick(self._good())) is None:
            return None
        self._replace(name, "CHAOS", f'"{self.dice.randrange(10**6)}"')
        self.site.push_all(f"{name}: edit")
        return name

    def stop_or_start(self) -> str | None:
        """Ask for the other of running and stopped."""
        if (name := self._pick(self._good())) is None:
            return None
        self.expected.running[name] = not self.expected.running[name]
        wanted = "running" if self.expected.running[name] else "stopped"
        path = self.path(name)
        lines = [each for each in path.read_text().splitlines(keepends=True)
                 if not each.startswith("desired:")]
        path.write_text(f"desired: {wanted}\n" + "".join(lines))
        self.site.push_all(f"{name}: {wanted}")
        return f"{name} {wanted}"

    def new(self) -> str | None:
        """Add a counter, up to twelve servers."""
        if len(self.expected.running) >= 12:
            return None
        self.count += 1
        name = f"c{self.count}"
        self.define(name, self.dice.randrange(25_000, 25_400))
        self.expected.running[name] = True
        if not self.site.push_all(f"{name}: new", refused_ok=True):
            del self.expected.running[name]  # its port was taken
        return name

    def delete(self) -> str | None:
        """Remove a definition; the world stays."""
        if (name := self._pick(self._counters())) is None or len(self.expected.running) < 4:
            return None
        self.site.git("rm", "--quiet", str(self.path(name)))
        if self.site.push_all(f"{name}: delete", refused_ok=True):
            del self.expected.running[name]
            self.expected.deleted.add(name)
        return name

    def restore(self) -> str | None:
        """Bring a deleted server back."""
        if (name := self._pick(self.expected.deleted)) is None:
            return None
        done = self.site.git("pull", "--quiet", "--rebase", code=None)
        grave = self.site.clone / f"tombstones.d/{name}.yaml"
        if not grave.exists():
            return done
        shutil.move(grave, self.path(name))
        if self.site.push_all(f"{name}: restore", refused_ok=True):
            self.expected.deleted.discard(name)
            text = self.path(name).read_text()
            self.expected.running[name] = "desired: stopped" not in text
        return name

    def bad_edit(self) -> str | None:
        """Ask for something that cannot work."""
        if (name := self._pick(self._counters())) is None:
            return None
        path = self.path(name)
        self.expected.bad.setdefault(name, path.read_text().split("\n# ---", 1)[0])
        ways = ['command: ["/bin/sh", "-c", "exit 3"]', "image: zedops-chaos-missing:1",
                'command: ["/nothing/here"]']
        way = self.dice.choice(ways)
        key = way.partition(":")[0]
        lines = [each for each in path.read_text().splitlines(keepends=True)
                 if not each.startswith(f"{key}:")]
        path.write_text(f"{way}\n" + "".join(lines))
        self.site.push_all(f"{name}: bad edit")
        return f"{name} {way}"

    def mend(self, name: str | None = None) -> str | None:
        """Take a bad edit back."""
        name = name or self._pick(self.expected.bad)
        if name is None or not self.path(name).exists():
            return None
        good = self.expected.bad.pop(name)
        state = self.path(name).read_text().partition("\n# ---")
        wanted = "running" if self.expected.running[name] else "stopped"
        head = "".join(each for each in good.splitlines(keepends=True)
                       if not each.startswith("desired:"))
        self.path(name).write_text(f"desired: {wanted}\n{head.rstrip()}\n{state[1]}{state[2]}")
        self.site.push_all(f"{name}: mend")
        return name

    def broken_file(self) -> str:
        """Push what is no YAML, or no definition: it must be refused."""
        text = self.dice.choice(["image: [", "imagee: x", "image: x\nports: {a: 99999999}", "\0"])
        self.site.write("servers.d/broken.yaml", text)
        took = self.site.push_all("broken", refused_ok=True)
        assert not took, f"the hub took {text!r}"
        return repr(text)

    def rename(self) -> str | None:
        """Give a server another name."""
        if (name := self._pick(set(self._counters()) - set(self.expected.bad))) is None:
            return None
        self.count += 1
        other = f"c{self.count}"
        self.site.git("mv", str(self.path(name)), str(self.path(other)))
        if self.site.push_all(f"{name}: rename to {other}", refused_ok=True):
            self.expected.running[other] = self.expected.running.pop(name)
        return f"{name} {other}"

    def restart(self) -> str | None:
        """Ask for one restart."""
        if (name := self._pick(self._good())) is None:
            return None
        self._top(name, "restart", f"2026-01-01T00:{self.dice.randrange(60):02}:00Z")
        self.site.push_all(f"{name}: restart")
        return name

    def swap_ports(self) -> str | None:
        """Swap the ports of two counters in one push."""
        names = sorted(set(self._counters()) & set(self._good()))
        if len(names) < 2:
            return None
        one, two = self.dice.sample(names, 2)
        lines = {each: self._port_line(each) for each in (one, two)}
        for mine, theirs in ((one, two), (two, one)):
            text = self.path(mine).read_text()
            self.path(mine).write_text(text.replace(lines[mine], lines[theirs]))
        self.site.push_all(f"{one}, {two}: swap ports")
        return f"{one} {two}"

    # --- behind zedops' back

    def by_hand(self) -> str | None:
        """Do something to a container with the Engine's own commands."""
        if (name := self._pick(self.expected.running)) is None:
            return None
        way = self.dice.choice(["rm", "stop", "kill", "pause", "rename", "update", "restart"])
        with contextlib.suppress(*ENGINE_SAYS_NO):
            for place, each in self.site.named(name)[:1]:
                self._do(place.api, way, each["Id"])
        return f"{way} {name}"

    def _do(self, api: docker.APIClient, way: str, container: str) -> None:
        match way:
            case "rm":
                api.remove_container(container, force=True)
            case "stop":
                api.stop(container, timeout=5)
            case "kill":
                api.kill(container)
            case "pause":
                api.pause(container)
            case "rename":
                api.rename(container, f"by-hand-{self.dice.randrange(10**6)}")
            case "update":
                api.update_container(container, mem_limit="1g", memswap_limit="1g")
            case "restart":
                api.restart(container, timeout=5)

    def move_data(self) -> str | None:
        """Move a world away, as a disk that is not mounted; `settle` puts it back."""
        homes = [each for each in self.site.worlds("") if each not in self.expected.away]
        if not homes:
            return None
        place = self.dice.choice(homes)
        aside = self.site.folder / f"aside-{place.parent.name}"
        place.rename(aside)
        self.expected.away[place] = aside
        return place.parent.name

    # --- crashes

    def kill_zedops(self) -> str:
        """Kill a part of zedops in the midst of anything, and start it again."""
        return self._end(kill=True)

    def end_zedops(self) -> str:
        """End a part of zedops politely, and start it again."""
        return self._end(kill=False)

    def _end(self, *, kill: bool) -> str:
        name, part = self.dice.choice(sorted(self.site.processes().items()))
        part.down(kill=kill)
        time.sleep(self.dice.random())
        part.run()
        return name

    def freeze(self) -> None:
        """Stop the process for some seconds, as a machine that swaps does."""
        self.site.pause_zedops(self.dice.uniform(0.5, 4))

    def engine(self) -> str:
        """Kill or restart an Engine."""
        way = self.dice.choice(["kill", "stop"])
        place = self.dice.choice(self.site.places())
        getattr(place.engine, way)()
        time.sleep(self.dice.random() * 3)
        place.engine.start()
        return f"{way} {place.address}"

    # --- the network between hosts

    def cut(self) -> str:
        """Pull a host's cable; `heal` or the next calm plugs it in again."""
        name, host = self._host()
        host.cut()
        return name

    def heal(self) -> str:
        """Plug a host's cable in, pulled or not."""
        name, host = self._host()
        host.heal()
        return name

    def _host(self) -> tuple[str, RemoteHost]:
        assert isinstance(self.site, ManyHosts)
        return self.dice.choice(sorted(self.site.hosts.items()))

    def kill_nats(self) -> None:
        """Kill the nats-server that the manager runs."""
        assert isinstance(self.site, ManyHosts)
        with contextlib.suppress(ProcessLookupError, AssertionError):  # it may be starting
            os.kill(self.site.nats_pid(), signal.SIGKILL)

    # --- files

    def path(self, name: str) -> Path:
        """Name a server's file."""
        return self.site.clone / f"servers.d/{name}.yaml"

    def define(self, name: str, port: int) -> None:
        """Write a counter's definition."""
        self.site.write(f"servers.d/{name}.yaml", "\n".join([
            *self.host_line(), f"image: {self.site.image}", "volumes: {world: /data}",
            "stop: {grace: 10s}",
            f'ports: {{web: "{port}:8080"}}', "env:", '  CHAOS: "0"',
            f'  SAVE: "{self.dice.choice([0, 0, 1, 3])}"', "",
        ]))

    def host_line(self) -> list[str]:
        """Choose a host, where there are several."""
        return [f"host: {self.dice.choice(self.site.names)}"] if self.site.names else []

    def _port_line(self, name: str) -> str:
        return next(each for each in self.path(name).read_text().splitlines()
                    if each.startswith("ports:"))

    def _replace(self, name: str, key: str, value: str) -> None:
        lines = self.path(name).read_text().splitlines(keepends=True)
        self.path(name).write_text("".join(
            f"  {key}: {value}\n" if each.startswith(f"  {key}:") else each for each in lines
        ))

    def _top(self, name: str, key: str, value: str) -> None:
        lines = [each for each in self.path(name).read_text().splitlines(keepends=True)
                 if not each.startswith(f"{key}:")]
        self.path(name).write_text(f"{key}: {value}\n" + "".join(lines))

    def _good(self) -> list[str]:
        return sorted(set(self.expected.running) - set(self.expected.bad))

    def _counters(self) -> list[str]:
        return sorted(each for each in self.expected.running if each.startswith("c"))

    def _pick(self, names: object) -> str | None:
        found = sorted(names)  # type: ignore[call-overload]
        return self.dice.choice(found) if found else None
