"""Any sequence of pushes, reports, silences, sweeps and leaps of the clock: what holds throughout.

The ledger is driven as the loop drives it. Its commits go into a model of git that people push to:
what they wrote must still be there, byte for byte, and no server may be doubled or forgotten.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, assert_never

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.pure.fleets import NOW, as_pushed, fleet_of
from zedops import document
from zedops.fleet import Fleet, Kind, kind_of
from zedops.manager.ledger import Ledger
from zedops.model import Settings, Status
from zedops.wire import Activity, ContainerFacts, Goal, ServerReport

NAMES = ("rosewood", "muldraugh")
TEXTS = (
    "image: a\nvolumes: {w: /w}\n", "# mine\r\nimage: b   # yes\r\n", "image: a\ndesired: stopped",
)  # fmt: skip

Act = Literal[
    "write 0", "write 1", "write 2", "break", "remove", "restore", "purge", "runs", "stops",
    "is gone", "fails", "loses its data", "silence", "a day", "back a week", "ahead a year",
]  # fmt: skip


class World:
    """A fleet in git as people and the ledger see it."""

    def __init__(self) -> None:
        self.git: dict[str, bytes] = {}
        self.written: dict[str, str] = {}
        self.now: datetime = NOW
        self.ledger = Ledger(fleet=fleet_of(settings=Settings(name="fleet", hosts=("local",))))
        self.taken = self.ledger.fleet
        self.born: set[str] = set()

    def commit(self) -> None:
        """Commit what the ledger has to say, as the loop does."""
        if not self.ledger.journal.empty:
            files, _ = self.ledger.journal.files(self.ledger.fleet)
            for path, content in files.items():
                if content is None:
                    self.git.pop(path, None)
                else:
                    self.git[path] = content
            self.ledger.committed("c" * 40, self.now.timestamp())

    def push(self, changes: dict[str, bytes | None]) -> None:
        """Push files, and let the ledger take them in."""
        for path, content in changes.items():
            if content is None:
                self.git.pop(path, None)
            else:
                self.git[path] = content
        new = as_pushed(self.ledger.fleet, changes)
        pushed = Fleet("d" * 40, new.settings, new.documents)
        self.ledger.advance(pushed, changes, dict.fromkeys(changes, "d1"), self.now)
        self.commit()

    def report(self, name: str, **facts: object) -> None:
        """Report of a server, if it is handed to the host."""
        wanted = self.ledger.document("local").servers.values()
        want = next((each for each in wanted if each.name == name), None)
        if want is not None:
            self.ledger.take(ServerReport.model_validate(
                {"id": want.id, "at": self.now, "about": want.commit, "goal": want.goal, **facts}
            ))
            self.commit()


def act(world: World, what: Act, name: str) -> None:
    """Let something happen."""
    path, grave = f"servers.d/{name}.yaml", f"tombstones.d/{name}.yaml"
    runs = ContainerFacts(id="4af7e4335a04", running=True, image="sha256:1")
    match what:
        case "write 0" | "write 1" | "write 2" | "break":
            text = "image: [" if what == "break" else TEXTS[int(what[-1])]
            if grave not in world.git:
                state = document.parse(path, world.git.get(path, b"")).state
                world.push({path: document.render(text, state)})
                world.written[name] = text if text.endswith("\n") else text + "\n"
        case "remove":
            if path in world.git:
                world.push({path: None})
        case "restore":
            if grave in world.git and path not in world.git:
                world.push({grave: None, path: world.git[grave].removeprefix(b"purge: data\n")})
        case "purge":
            each = document.parse(grave, world.git.get(grave, b""))
            if each.definition and each.definition.purge is None:
                world.push({grave: b"purge: data\n" + world.git[grave]})
        case "runs":
            world.report(name, container=runs, data_exists=True, applied=True)
        case "stops":
            facts = runs.model_copy(update={"running": False})
            world.report(name, container=facts, data_exists=True)
        case "is gone":
            world.report(name, data_exists=False)
        case "fails":
            world.report(name, failure="it does not", activity=Activity.OTHER)
        case "loses its data":
            world.report(name, data_exists=False, data_lost=True)
        case "silence":
            world.ledger.lose("local", world.now)
            world.commit()
        case "a day" | "back a week" | "ahead a year":
            days = {"a day": 1, "back a week": -7, "ahead a year": 365}[what]
            world.now += timedelta(days=days)
            world.ledger.sweep(world.now)
            world.commit()
        case _:
            assert_never(what)


def check(world: World, before: dict[str, bytes]) -> None:
    """See that nothing was lost, doubled or rewritten."""
    ids = []
    for path, content in world.git.items():
        each = document.parse(path, content)
        assert each.state is not None, (path, content)
        ids.append(each.state.id)
        if kind_of(path) is Kind.SERVER:
            assert each.head == world.written[each.name]
            assert each.state.deleted_at is None
        else:
            assert each.head.removeprefix("purge: data\n") == world.written[each.name]
            assert each.state.status in (Status.DELETING, Status.DELETED, Status.UNKNOWN)
    assert len(ids) == len(set(ids)), "one id for two files"
    gone = {document.parse(p, c).id: p for p, c in before.items()} .keys() - set(ids)
    for server in gone:
        graves = [path for path, content in before.items() if path.startswith("tombstones.d/")
                  and document.parse(path, content).id == server]
        assert graves, "a living server was forgotten"
    known = {each.id for each in world.ledger.fleet.documents.values()}
    assert known == set(ids), "git and the ledger disagree"
    for want in world.ledger.document("local").servers.values():
        assert want.id in ids
        buried = any(want.id == document.parse(p, c).id and p.startswith("tombstones.d/")
                     for p, c in world.git.items())
        assert want.goal.ends == buried
        assert want.goal is not Goal.PURGED or buried


_STORY = st.lists(
    st.tuples(st.sampled_from(Act.__args__), st.sampled_from(NAMES)),  # type: ignore[attr-defined]
    min_size=1, max_size=14,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_STORY)
@example([("write 1", "rosewood"), ("runs", "rosewood"), ("remove", "rosewood"),
          ("is gone", "rosewood"), ("a day", "rosewood"), ("write 1", "rosewood")])
@example([("write 0", "rosewood"), ("break", "rosewood"), ("runs", "rosewood")])
def test_what_people_wrote_stays_and_no_server_is_doubled_or_forgotten(
    story: list[tuple[Act, str]]
) -> None:
    world = World()
    for what, name in story:
        before = dict(world.git)
        act(world, what, name)
        check(world, before)


def test_a_deletion_dated_by_a_clock_that_was_wrong_counts_anew() -> None:
    world = World()
    for what in ("write 0", "runs", "ahead a year", "remove", "is gone"):
        act(world, what, "rosewood")
    world.now = NOW
    world.ledger.sweep(world.now)
    world.commit()
    state = document.parse("tombstones.d/rosewood.yaml", world.git["tombstones.d/rosewood.yaml"])
    assert state.state is not None
    assert state.state.deleted_at == NOW
    act(world, "a day", "rosewood")
    assert world.git == {}


def test_a_purge_of_a_host_that_does_not_answer_waits_and_says_so() -> None:
    world = World()
    for what in ("write 0", "runs", "remove", "is gone", "purge", "silence"):
        act(world, what, "rosewood")
    (grave,) = world.ledger.fleet.tombstones()
    assert grave.state is not None
    assert grave.state.message is not None
    assert grave.state.message.startswith("the purge waits: host 'local' has not answered since")
    act(world, "a day", "rosewood")
    assert world.git, "a purge that was asked for waits for its host, however long"
    act(world, "is gone", "rosewood")
    assert world.git == {}
