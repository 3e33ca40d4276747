"""A server moves with its world, whatever dies: it never runs twice or with an old world.

The real rules of the manager and of both hosts meet here in any order of their steps; only the
effects are simple. A world is a number that grows while the server runs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pure.fleets import NOW
from zedops.fleet.fleet import Fleet
from zedops.manager.state import Ledger
from zedops.protocol.moves import WorldSnapshot
from zedops.protocol.sync import DesiredDocument, DesiredServer, ServerReport
from zedops.spec import document, state_block
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status
from zedops_agent.backup.move_record import Giving, Taking, facts
from zedops_agent.backup.move_rules import token_of, with_move
from zedops_agent.backup.record import Record
from zedops_agent.memory import Memory
from zedops_agent.observed import Container, DataVolume, Observed, Phase, Presence
from zedops_agent.plan import make_plan
from zedops_agent.remember import reached, remember
from zedops_agent.report import activity_of, begins, make_report
from zedops_agent.steps import (
    CheckPorts,
    Create,
    GiveWorld,
    MakeData,
    NoteMove,
    PlaceWorld,
    Pull,
    Remove,
    Start,
    Step,
    StopContainer,
    TakeWorld,
)

MoveStep = GiveWorld | TakeWorld | PlaceWorld | NoteMove
ID = "0" * 25 + "1"
SETTINGS = Settings(name="f", hosts=("attic", "cellar", "loft"), defaults={"host": "attic"})
PATH = "servers.d/rosewood.yaml"
HEAD = "image: img\nvolumes: {world: /data}\n"
BRING = "world: {{bring: {} ({})}}\n"

Act = Literal[
    "attic turns", "cellar turns", "attic works", "cellar works", "loft works", "attic hears",
    "cellar hears", "attic tells",
    "cellar tells", "they play", "time goes on", "the manager dies", "cellar is silent",
    "attic dies late", "fetch fails", "it crashes in the cellar", "to the cellar", "to the loft",
    "back to the attic", "delete", "restore",
]  # fmt: skip


class Host:
    """A host: what it has on disk, its container and its world."""

    def __init__(self, name: str, site: Site) -> None:
        self.name, self.site = name, site
        self.document: DesiredDocument | None = None
        self.memory, self.record = Memory(), Record()
        self.container: Container | None = None
        self.world: int | None = None  #: 0: an empty directory
        self.beside: int | None = None
        self.unsent: list[ServerReport] = []

    def see(self) -> Observed:
        present = Presence.PRESENT if self.world is not None else Presence.ABSENT
        content = Presence.PRESENT if self.world else Presence.ABSENT
        volume = DataVolume("world", present, content, identity=(1, 1) if self.world else None)
        return Observed((self.container,) if self.container else (), (volume,), present)

    @property
    def want(self) -> DesiredServer | None:
        return self.document.servers.get(ID) if self.document else None

    def works(self) -> None:
        """Look, and do one step."""
        want, now = self.want, self.site.now
        if want is None or self.document is None:
            return
        seen = self.see()
        self.memory = remember(self.memory, want, seen, now)
        plan = make_plan("f", want, seen, self.memory, now)
        order = want.move
        known = order is not None and order.snapshot is not None
        plan = with_move(plan, want, seen, self.memory, self.record, now,
                         has_turn=True, has_files=known)
        if not plan.steps and plan.lost is None and not plan.refused and self.is_there(want):
            self.memory = reached(self.memory, want)
        activity = activity_of(plan, want) or begins(plan)
        report = make_report(want, seen, self.memory, plan, plan.note, activity, now)
        said = facts(self.record.giving, self.record.taking, token_of(want))
        under = self.document.stamp
        self.unsent.append(report.model_copy(update={"under": under, "move": said}))
        for step in plan.steps:
            self.do(step, want)
            if not isinstance(step, Pull | MakeData | CheckPorts):  # those come again each time
                break

    def is_there(self, want: DesiredServer) -> bool:
        if want.goal.ends:
            return self.container is None
        return self.container is not None and self.container.running == (want.goal == "running")

    def do(self, step: Step, want: DesiredServer) -> None:
        match step:
            case MakeData():
                self.world = self.world or 0
            case Create():
                self.container = Container(
                    id=f"c{self.site.count()}", name=step.name, phase=Phase.CREATED,
                    definition=want.hash, rebuild="", image="sha256:1",
                )
            case Start():
                assert self.container is not None
                self.site.check_start(self)
                self.container = replace(self.container, phase=Phase.RUNNING,
                                         started_at=self.site.now)
            case StopContainer():
                assert self.container is not None
                self.container = replace(self.container, phase=Phase.EXITED, restart_count=0)
            case Remove():
                self.container = None
            case GiveWorld() | TakeWorld() | PlaceWorld() | NoteMove():
                self.move(step, want)

    def move(self, step: MoveStep, want: DesiredServer) -> None:
        order = want.move
        match step:
            case GiveWorld() if order is not None:
                known = self.record.giving
                known = known if known and known.token == order.token else Giving(token=order.token)
                is_up = self.container is not None and self.container.up
                assert not (step.last and is_up)
                made = WorldSnapshot(snapshot=f"{self.site.count():08x}", size_bytes=1, files=1)
                self.site.snapshots[made.snapshot] = self.world
                update = {"last": made} if step.last else {"base": made, "last": None}
                self.put(giving=known.model_copy(update=update))
            case TakeWorld() if order is not None and order.snapshot is not None:
                if self.site.fetch_fails:
                    self.site.fetch_fails = False
                    return self.note(failure="no room")
                self.beside = self.site.snapshots[order.snapshot.snapshot]
                self.note(fetched=order.snapshot.snapshot, settled=order.last)
            case PlaceWorld():
                assert self.container is None or not self.container.up
                self.world = self.beside
                taking = self.record.taking
                self.note(placed=taking.fetched if taking else None, settled=False)
            case NoteMove(what="begin") if order is not None:
                self.put(taking=Taking(token=order.token, at=self.site.now))
            case NoteMove(what="room"):
                self.note(has_room=True)
            case NoteMove(what="start"):
                self.note(started=self.site.now)
            case NoteMove(what="drop"):
                assert self.record.giving is not None
                self.put(giving=self.record.giving.model_copy(update={"last": None}))
            case NoteMove():
                failed = step.what == "fail"
                self.note(**({"failure": step.text} if failed else {"over": True}))
        return None

    def note(self, **update: object) -> None:
        assert self.record.taking is not None
        self.put(taking=self.record.taking.model_copy(update=update))

    def put(self, **update: object) -> None:
        self.record = self.record.model_copy(update=update)


class Site:
    """Three hosts, a manager that may die, and git."""

    def __init__(self) -> None:
        self.now: datetime = NOW
        self.counted = 0
        self.newest = 1
        self.fetch_fails = False
        self.snapshots: dict[str, int | None] = {}
        state = State(id=ID, status=Status.RUNNING, data_exists=True, host="attic",
                      commit="3f2a1c9", since=NOW)
        self.git: dict[str, bytes] = {PATH: state_block.render(HEAD, state)}
        self.hosts = {each: Host(each, self) for each in SETTINGS.hosts}
        self.attic, self.cellar = self.hosts["attic"], self.hosts["cellar"]
        self.attic.world = 1
        self.epoch, self.commits = 0, 0
        self.ledger = self.begin()
        self.settle()
        assert self.runs() == ["attic"]

    def count(self) -> int:
        self.counted += 1
        return self.counted

    def begin(self) -> Ledger:
        self.epoch += 1
        ledger = Ledger(hub="h")
        ledger.assigned.epoch = self.epoch
        self.ledger = ledger
        self.take_in(set(self.git), {})
        return ledger

    def take_in(self, changed: set[str], commits: dict[str, str]) -> None:
        self.commits += 1
        read = {path: document.parse(path, each) for path, each in self.git.items()}
        fleet = Fleet(f"{self.commits:040x}", SETTINGS, read)
        self.ledger.advance(fleet, changed, commits, self.now)
        self.commit()

    def commit(self) -> None:
        if not self.ledger.journal.empty:
            files, _ = self.ledger.journal.files(self.ledger.fleet)
            for path, content in files.items():
                if content is None:
                    self.git.pop(path, None)
                else:
                    self.git[path] = content
            self.commits += 1
            self.ledger.committed(f"{self.commits:040x}", self.now.timestamp())

    def push(self, files: dict[str, bytes | None]) -> None:
        for path, content in files.items():
            if content is None:
                self.git.pop(path, None)
            else:
                self.git[path] = content
        self.take_in(set(files), dict.fromkeys(files, f"{self.commits:07x}"))

    def edit(self, host: str) -> None:
        """Ask for a host, as `zedops move` does."""
        if PATH not in self.git:
            return
        state = document.parse(PATH, self.git[PATH]).state
        assert state is not None
        head = f"host: {host}\n{HEAD}"
        if state.host != host and state.has_world:
            head += BRING.format(state.host, self.count())
        self.push({PATH: state_block.render(head, state)})

    def runs(self) -> list[str]:
        return [name for name, each in self.hosts.items()
                if each.container is not None and each.container.up]

    def check_start(self, host: Host) -> None:
        assert self.runs() == [], "it would run twice"
        assert host.world == self.newest, "it would run with an old world"

    def check(self) -> None:
        assert any(each.world == self.newest for each in self.hosts.values()), "a world is lost"

    def settle(self) -> None:
        """Let every message arrive and all work end."""
        for _ in range(60):
            self.now += timedelta(seconds=4)
            for host in self.hosts.values():
                self.hears(host)
                host.works()
                self.tells(host)

    def hears(self, host: Host) -> None:
        sent = self.ledger.document(host.name)
        if host.document is None or sent.stamp > host.document.stamp:
            host.document = sent

    def tells(self, host: Host) -> None:
        for report in host.unsent:
            self.ledger.take(report, host.name)
            self.commit()
        host.unsent.clear()

    def play(self) -> None:
        """Let players change the world that runs; they come after its first minute elsewhere."""
        for each in self.runs():
            taking = self.hosts[each].record.taking
            since = taking.started if taking is not None and not taking.over else None
            if since is None or since + timedelta(minutes=1) < self.now:
                self.newest += 1
                self.hosts[each].world = self.newest

    def ask(self, what: Act) -> None:
        """Push something."""
        grave = "tombstones.d/rosewood.yaml"
        if what == "delete" and PATH in self.git:
            self.push({PATH: None})
        elif what == "restore" and grave in self.git and PATH not in self.git:
            self.push({grave: None, PATH: self.git[grave]})
        elif what in ("to the cellar", "to the loft", "back to the attic"):
            self.edit(what.rpartition(" ")[2])

    def act(self, what: Act) -> None:
        name, _, verb = what.partition(" ")
        if name in self.hosts and verb == "turns":
            self.hears(self.hosts[name])
            self.hosts[name].works()
            self.tells(self.hosts[name])
        elif name in self.hosts and verb in ("works", "hears", "tells"):
            host = self.hosts[name]
            match verb:
                case "works":
                    host.works()
                case "hears":
                    self.hears(host)
                case _:
                    self.tells(host)
        elif what == "they play":
            self.play()
        elif what == "time goes on":
            self.now += timedelta(seconds=11)
        elif what == "the manager dies":
            self.ledger = self.begin()
        elif what == "cellar is silent":
            self.ledger.lose("cellar", self.now)
            self.commit()
        elif what == "attic dies late":
            self.attic.unsent.clear()
        elif what == "fetch fails":
            self.fetch_fails = True
        elif what == "it crashes in the cellar":
            found = self.cellar.container
            if found is not None and found.up:
                self.cellar.container = replace(found, restart_count=found.restart_count + 1)
        else:
            self.ask(what)


_TURNS: list[Act] = ["attic turns", "cellar turns"]
_EVERY: tuple[Act, ...] = Act.__args__  # type: ignore[attr-defined]
_OFTEN: list[Act] = ["they play", "cellar is silent", "the manager dies", "attic works"]
_STORY = st.lists(st.one_of(
    st.sampled_from(_TURNS), st.sampled_from(_OFTEN), st.sampled_from(_EVERY)
), max_size=40)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.integers(6, 22), _STORY)
def test_it_never_runs_twice_nor_with_an_old_world_and_no_world_is_lost(
    turns: int, story: list[Act]
) -> None:
    site = Site()
    for each in ("to the cellar", *(_TURNS * 12)[:turns], *story):
        site.act(each)
        site.check()
    site.fetch_fails = False
    site.settle()
    site.check()
    assert len(site.runs()) == (1 if PATH in site.git else 0)


def test_a_move_ends_on_the_new_host_with_the_newest_world() -> None:
    site = Site()
    site.act("to the cellar")
    for _ in range(4):
        site.act("they play")
        site.settle()
    assert site.runs() == ["cellar"]
    assert site.cellar.world == site.newest
    state = document.parse(PATH, site.git[PATH]).state
    assert state is not None
    assert (state.host, state.status, state.message) == ("cellar", Status.RUNNING, None)


def test_a_fetch_that_fails_stops_nothing_and_says_why() -> None:
    site = Site()
    before = site.attic.container
    site.act("fetch fails")
    site.act("to the cellar")
    site.settle()
    state = document.parse(PATH, site.git[PATH]).state
    assert state is not None
    assert site.attic.container == before
    assert state.message == "not moved to cellar: no room"
    site.act("the manager dies")
    site.settle()
    assert site.attic.container == before
