"""Everything that can be done to a server at once, again and again. For tests.

Eight servers go through one life, each a step ahead of the next, so that each round does everything
that there is in one push: and all of it is under way when a fault comes. One more container is
adopted in each round, and the one before it deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.machine import Machine
from tests.system.walks import Walker, renamed
from zedops.system import failpoints

LIFE = ("create", "update", "stop", "start", "rename", "delete", "restore", "purge")


@dataclass
class Rider:
    """One server and how far it is."""

    name: str
    at: int

    @property
    def verb(self) -> str:
        """Say what is done to it next."""
        return LIFE[self.at % len(LIFE)]


class Carousel:
    """One fleet on a machine; `orders` is the file that says which fault its processes meet."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.walker = machine, Walker(machine)
        self.orders = machine.folder / "orders"
        self.orders.touch()
        self._riders = [Rider(f"rider{at}", at) for at in range(len(LIFE))]
        self._rounds = 0
        self._doing: list[tuple[str, str]] = []
        #: A round was begun and not found to be good: what comes after it says nothing.
        self.broken = False

    def begin(self) -> None:
        """Set everybody up for what is done first."""
        self.walker.begin(str(self.orders))
        self.walker.prepare((each.verb, each.name) for each in self._riders)

    def ask(self) -> str:
        """Do everything that is next, in one push; returns what the push said."""
        self._rounds, self.broken = self._rounds + 1, True
        self._doing = [(each.verb, each.name) for each in self._riders]
        self._doing.append(("adopt", f"adopted{self._rounds}"))
        if self._rounds > 1:
            self._doing.append(("delete", f"adopted{self._rounds - 1}"))
        self.machine.pull()
        for verb, name in self._doing:
            self.walker.do(verb, name)
        return self.walker.push(f"round {self._rounds}")

    def check(self) -> None:
        """See that everything was done, and nothing else; then everybody is a step further."""
        for verb, name in self._doing:
            self.walker.check(verb, name)
        for verb, name in self._doing:
            if verb == "create":
                self.walker.note(name)
        self.walker.check_fleet()
        for each in self._riders:
            verb, now = each.verb, renamed(each.verb, each.name)
            if now != each.name:
                self.walker.ids[now] = self.walker.ids.pop(each.name)
                self.walker.lives[now] = self.walker.lives.pop(each.name)
            each.name = f"again{self._rounds}" if verb == "purge" else now
            each.at += 1
            if verb in ("restore", "start", "update"):
                self.walker.note(each.name)
        self.broken = False

    @contextlib.contextmanager
    def met(self, order: str, times: int = 1) -> Iterator[None]:
        """Give an order for as long as this lasts; it must be met so often in that time."""
        point = order.partition(":")[0]
        before = self._count(point)
        self.orders.write_text(f"{order}\n")
        yield
        self.machine.wait_for(lambda: self._count(point) >= before + times)
        self.orders.write_text("")

    def _count(self, point: str) -> int:
        path = Path(f"{self.orders}.met")
        lines = path.read_text().splitlines() if path.exists() else []
        return sum(each.startswith(f"{point}@") for each in lines)

    def come_back(self) -> None:
        """Start again whoever died."""
        self.machine.down(kill=True)
        self.machine.up(str(self.orders))

    def bystander(self) -> str:
        """Find a container that runs and may be stopped: a rename is to find it as it was."""
        to_stay = {each.name for each in self._riders if each.verb == "rename"}
        return next(
            str(each["Id"]) for each in self.machine.containers()
            if each["State"] == "running" and each["Labels"]["zedops.server.name"] not in to_stay
        )

    # --- what it survives

    def survive_kill(self, point: str) -> None:
        """Have a push of everything meet a death there."""
        with self.met(point):
            self.ask()
            self.machine.wait_for(lambda: self.machine.died)
        self.come_back()
        self.walker.push_again()
        self.check()

    def survive_kill_at_start(self, point: str) -> None:
        """Have processes that begin with work to do meet a death there."""
        self.machine.down()
        assert "no manager is running" in self.ask()
        with self.met(point):
            self.machine.up(str(self.orders))
            self.machine.wait_for(lambda: self.machine.died)
        self.come_back()
        self.check()

    def survive_kill_of_nothing_asked(self, point: str) -> None:
        """Have a push that asks nothing of any server meet a death there."""
        with self.met(point):
            self.machine.pull()
            self.machine.write("README.md", f"{point}\n")
            self.walker.push(point)
            self.machine.wait_for(lambda: self.machine.died)
        self.come_back()
        self.walker.check_fleet()

    def survive_death_of(self, hook: str) -> None:
        """Have a push of everything lose one of its hooks."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(failpoints.VARIABLE, hook)
            said = self.ask()
        assert "error: " in said or hook == "hook.post-receive"
        self.walker.push_again()
        self.check()

    def survive_failures(self, point: str) -> None:
        """Have a push of everything fail there, as long as it is under way."""
        with self.met(f"{point}:{failpoints.ALWAYS}"):
            self.ask()
        self.walker.push_again()
        self.check()
        assert not self.machine.died

    def survive_one_failure_at_each(self, points: Collection[str]) -> None:
        """Have pushes of everything fail once at each of these."""
        self.orders.write_text("\n".join(f"{each}:{failpoints.ONCE}" for each in points))
        self.ask()
        for _ in points:
            self.walker.push_again()
        self.check()
        assert not self.machine.died

    def tear_down(self) -> None:
        """Leave nothing behind."""
        self.walker.tear_down()


@contextlib.contextmanager
def lending(make: Callable[[], Machine]) -> Iterator[Callable[[], Carousel]]:
    """Set a fleet going, on a machine made for it, whenever there is none that goes well."""
    made: list[Carousel] = []

    def lend() -> Carousel:
        if not made or made[-1].broken:
            for each in made:
                each.tear_down()
            made[:] = [Carousel(make())]
            made[0].begin()
        return made[0]

    try:
        yield lend
    finally:
        for each in made:
            each.tear_down()
