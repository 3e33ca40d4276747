"""A model world of one server: a host, and an agent that works there.

The host has the rules of the Docker Engine that matter here: names are unique, a running container
cannot be removed, a bind mount without its directory does not start. The rules that must hold at
every step are checked where the step is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.pure.fleets import NOW
from tests.pure.plans import wanted
from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.failures import RETRY_MAX_S, failed
from zedops_agent.memory import Memory, Restarting, is_watched, matches
from zedops_agent.observed import Container, DataVolume, Observed, Phase, Presence
from zedops_agent.plan import make_plan
from zedops_agent.remember import reached, remember
from zedops_agent.steps import (
    Adopt,
    CheckPorts,
    Create,
    GiveUp,
    Join,
    MakeData,
    Plan,
    Pull,
    Remove,
    RemoveData,
    Rename,
    Restart,
    Start,
    Step,
    StopContainer,
    Unpause,
    Update,
)

BAD = "1:bad"  #: a definition whose container does not start
UNPULLABLE = "1:unpullable"  #: a definition whose image does not exist
PATIENCE = 60
LONGEST = timedelta(seconds=RETRY_MAX_S)  #: nothing that is to be done waits longer


class Died(Exception):
    """The agent was killed between two steps."""


class Refused(Exception):
    """The Engine refused a step."""


@dataclass
class World:
    """One host with one server."""

    want: DesiredServer = field(default_factory=wanted)
    now: datetime = NOW
    containers: list[Container] = field(default_factory=list)
    directory: bool = False
    marker: bool = False
    content: bool = False
    readable: bool = True
    registry: bool = True
    memory: Memory = field(default_factory=Memory)
    made: int = 0
    restarts: list[str] = field(default_factory=list)
    lives: int = 10**9  #: so many more single acts until the agent dies

    # --- what the agent sees and does

    def look(self) -> Observed:
        """Show the host as it is."""
        unknown = Presence.UNKNOWN
        marker, content = (
            Presence.PRESENT if there else Presence.ABSENT for there in (self.marker, self.content)
        )
        if not self.readable:
            marker = content = unknown
        home = Presence.PRESENT if self.directory else Presence.ABSENT
        return Observed(tuple(self.containers), (DataVolume("world", marker, content),), home)

    def settle(self) -> Plan:
        """Do what the agent's loop does until there is nothing to do and nothing to wait for."""
        for _ in range(PATIENCE):
            seen = self.look()
            self.memory = remember(self.memory, self.want, seen, self.now)
            plan = make_plan("f", self.want, seen, self.memory, self.now)
            watched = is_watched(self.memory, seen, self.now)
            if not plan.steps and plan.lost is None and self.is_there() and not watched:
                self.memory = reached(self.memory, self.want)
            tried = self.memory.failure.attempts if self.memory.failure else 0
            if not plan.steps and (plan.again_at is None or tried >= 3):
                return plan
            if not plan.steps and plan.again_at is not None:
                assert plan.again_at > self.now, "waiting for what is past would never end"
                assert plan.again_at <= self.now + LONGEST, "waits for a clock that was put back"
                self.now = plan.again_at
            self.do(plan, seen)
        raise AssertionError(f"never comes to rest: {plan} {self.containers} {self.memory}")

    def is_there(self) -> bool:
        """Say whether the server is where its definition wants it."""
        mine = [each for each in self.containers if matches(each, self.want)]
        match self.want.goal:
            case Goal.DELETED:
                return not self.containers
            case Goal.PURGED:
                return not self.containers and not self.directory
            case Goal.STOPPED:
                return bool(mine) and not any(each.up for each in self.containers)
            case _:
                return any(each.running for each in mine)

    def do(self, plan: Plan, seen: Observed) -> None:
        """Do the steps of a plan; one that fails ends it and is remembered."""
        served = any(each.running and not matches(each, self.want) for each in seen.containers)
        disrupted = False
        for step in plan.steps:
            self.now += timedelta(seconds=1)
            disrupted = disrupted or isinstance(step, StopContainer | Start)
            try:
                self.step(step)
            except Refused as error:
                ran_s = step.ran_s if isinstance(step, GiveUp) else None
                retry = not (plan.comes_back and (disrupted or ran_s is not None))
                self.memory = failed(
                    self.memory, self.want, str(error), self.now,
                    retry=retry, ran_s=ran_s, served=served,
                )
                return

    def step(self, step: Step) -> None:
        """Do one step as the Engine would."""
        self.live()
        match step:
            case Pull():
                if self.want.hash == UNPULLABLE or (step.newest and not self.registry):
                    raise Refused("no such image")
            case CheckPorts() | Adopt() | Join():
                raise AssertionError(f"nothing here has ports or strangers: {step}")
            case MakeData():
                self.directory = self.marker = True
            case Create():
                self.create(step.name)
            case Start():
                self.start(step.container)
            case StopContainer():
                self.stop(step.container)
            case Restart():
                self.restart(step.container, step.token)
            case Update():
                self.put(replace(self.find(step.container), ceilings=step.ceilings))
            case Unpause():
                self.put(replace(self.find(step.container), phase=Phase.RUNNING))
            case Rename():
                self.free(step.name)
                self.put(replace(self.find(step.container), name=step.name))
            case Remove():
                assert not self.find(step.container).up, "the Engine removes no running container"
                self.containers = [e for e in self.containers if e.id != step.container]
            case RemoveData():
                self.remove_data()
            case GiveUp():
                self.stop(step.container)
                raise Refused(step.cause)
            case _:
                raise AssertionError(f"no plan of this world backs it up: {step}")

    def remove_data(self) -> None:
        """Remove the world, which only a purge may ask for, with nothing left that uses it."""
        assert self.want.goal is Goal.PURGED, "data was removed without a purge"
        assert not self.containers, "data was removed under a container"
        self.directory = self.marker = self.content = False

    def live(self) -> None:
        """Die, if it is time."""
        self.lives -= 1
        if self.lives < 0:
            raise Died

    def find(self, key: str) -> Container:
        """Find a container by id or name."""
        return next(each for each in self.containers if key in (each.id, each.name))

    def put(self, changed: Container) -> None:
        """Show a container in another condition."""
        self.containers = [changed if e.id == changed.id else e for e in self.containers]

    def free(self, name: str) -> None:
        """See that a name is not taken: the Engine would refuse it."""
        assert name not in {each.name for each in self.containers}, f"the name {name} is taken"

    def create(self, name: str) -> None:
        """Make a container that does not run."""
        self.free(name)
        assert self.directory, "a container was made before its directories"
        self.made += 1
        self.containers.append(Container(
            id=f"c{self.made}", name=name, phase=Phase.CREATED, definition=self.want.hash,
            rebuild=self.want.definition.rebuild or "", image="sha256:1",
        ))  # fmt: skip

    def start(self, key: str) -> None:
        """Start a container; the server writes its world."""
        one = self.find(key)
        others = [each for each in self.containers if each.up and each.id != one.id]
        assert not others, f"two containers up at once: {one} and {others}"
        lost = "world" in self.memory.data_seen and not self.content
        assert not lost, "a lost world was started"
        if not self.directory or one.definition == BAD:
            self.put(replace(one, phase=Phase.EXITED, exit_code=127))
            raise Refused("the container does not start")
        self.content = True
        self.put(replace(one, phase=Phase.RUNNING, started_at=self.now))

    def stop(self, key: str) -> None:
        """Stop a container; one that does not run stays as it is."""
        one = self.find(key)
        if one.up:
            self.put(replace(one, phase=Phase.EXITED, exit_code=0))

    def restart(self, key: str, token: str) -> None:
        """Write down what begins, stop, start; the agent may die in between."""
        begun = Restarting(token=token, started_at=self.find(key).started_at)
        self.memory = self.memory.model_copy(update={"restarting": begun})
        self.live()
        self.stop(key)
        self.live()
        self.start(key)
        self.restarts.append(token)
