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
from zedops.fleet.fleet import Fleet
from zedops.manager.state import Ledger
from zedops.protocol.sync import Activity, ContainerFacts, DesiredServer, Goal, ServerReport
from zedops.spec import document, state_block
from zedops.spec.layout import Kind, kind_of
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status

NAMES = ("rosewood", "muldraugh")
TEXTS = (
    "image: a\nvolumes: {w: /w}\n", "# mine\r\nimage: b   # yes\r\n", "image: a\ndesired: stopped",
    "image: a\nhost: attic\n",
    "image: a\nhost: attic\nmoved_from: local\n",
)
SETTINGS = Settings(name="fleet", hosts=("local", "attic"), defaults={"host": "local"})  # fmt: skip

Act = Literal[
    "write 0", "write 1", "write 2", "write 3", "write 4", "break", "remove", "restore", "purge",
    "runs", "stops", "is gone", "fails", "loses its data", "silence", "a day", "back a week",
    "ahead a year",
]  # fmt: skip

RUNS = ContainerFacts(id="4af7e4335a04", running=True, image="sha256:1")


class World:
    """A fleet in git as people and the ledger see it."""

    def __init__(self) -> None:
        self.git: dict[str, bytes] = {}
        self.written: dict[str, str] = {}
        self.now: datetime = NOW
        self.ledger = Ledger(fleet=fleet_of(settings=SETTINGS))
        self.taken = self.ledger.fleet
        #: Where a server's container is, as far as its host has said.
        self.containers: dict[str, str] = {}

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

    def wanted(self) -> list[tuple[str, DesiredServer]]:
        """List what every host is asked for."""
        hosts = SETTINGS.hosts
        return [(each, want) for each in hosts
                for want in self.ledger.document(each).servers.values()]

    def report(self, name: str, **facts: object) -> None:
        """Report of a server, if it is handed to a host."""
        host, want = next((each for each in self.wanted() if each[1].name == name), ("", None))
        if want is None:
            return
        report = ServerReport.model_validate(
            {"id": want.id, "at": self.now, "about": want.commit, "goal": want.goal, **facts}
        )
        other = "attic" if host == "local" else "local"
        known = dict(self.ledger.fleet.documents)
        self.ledger.take(report, other)
        assert self.ledger.fleet.documents == known, "a host spoke for another one's server"
        self.containers.pop(want.id, None)
        if report.container is not None:
            self.containers[want.id] = host
        self.ledger.take(report, host)
        self.commit()


def grave_of(world: World) -> State:
    """Read what git says of a deleted server."""
    path = "tombstones.d/rosewood.yaml"
    state = document.parse(path, world.git[path]).state
    assert state is not None
    return state


def act(world: World, what: Act, name: str) -> None:  # noqa: C901
    """Let something happen."""
    path, grave = f"servers.d/{name}.yaml", f"tombstones.d/{name}.yaml"
    match what:
        case "write 0" | "write 1" | "write 2" | "write 3" | "write 4" | "break":
            text = "image: [" if what == "break" else TEXTS[int(what[-1])]
            if grave not in world.git:
                state = document.parse(path, world.git.get(path, b"")).state
                world.push({path: state_block.render(text, state)})
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
            world.report(name, container=RUNS, data_exists=True, applied=True)
        case "stops":
            facts = RUNS.model_copy(update={"running": False})
            world.report(name, container=facts, data_exists=True)
        case "is gone":
            world.report(name, data_exists=False)
        case "fails":
            world.report(name, failure="it does not", activity=Activity.OTHER)
        case "loses its data":
            world.report(name, data_exists=False, data_lost=True)
        case "silence":
            for host in SETTINGS.hosts:
                world.ledger.lose(host, world.now)
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
    wanted = world.wanted()
    assert len({want.id for _, want in wanted}) == len(wanted), "two hosts for one server"
    for host, want in wanted:
        assert want.id in ids
        assert world.containers.get(want.id, host) == host, "another host has its container"
        each = next(each for each in world.ledger.fleet.documents.values() if each.id == want.id)
        buried, leaves = kind_of(each.path) is Kind.TOMBSTONE, world.ledger.fleet.place(each)[1]
        if each.definition is not None:  # else what was last asked for goes on
            assert want.goal.ends == (buried or leaves)
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
@example([("write 3", "rosewood"), ("break", "rosewood")])
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
    assert grave_of(world).deleted_at == NOW
    act(world, "a day", "rosewood")
    assert world.git == {}


def test_a_leap_of_the_clock_ends_no_retention_and_one_forth_and_back_counts_it_anew() -> None:
    world, leap = World(), timedelta(days=3)
    for what in ("write 0", "runs", "remove", "is gone"):
        act(world, what, "rosewood")
    world.now += leap
    world.ledger.put_off(leap)
    world.ledger.sweep(world.now)
    world.commit()
    assert grave_of(world).deleted_at == NOW + leap
    world.now = NOW + timedelta(hours=1)
    world.ledger.sweep(world.now)
    world.commit()
    assert grave_of(world).deleted_at == world.now
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


def test_a_server_leaves_its_old_host_before_the_new_one_gets_it() -> None:
    world = World()
    for what in ("write 0", "runs", "is gone", "runs"):
        act(world, what, "rosewood")
    world.report("rosewood", container=RUNS, data_exists=False)
    act(world, "write 3", "rosewood")
    assert [(host, want.goal) for host, want in world.wanted()] == [("local", Goal.DELETED)]
    act(world, "is gone", "rosewood")
    assert [(host, want.goal) for host, want in world.wanted()] == [("attic", Goal.RUNNING)]
    assert world.ledger.assigned.stale == {"local", "attic"}


def test_a_world_that_shows_while_its_server_leaves_keeps_it_where_it_is() -> None:
    world = World()
    act(world, "write 0", "rosewood")
    world.report("rosewood", container=RUNS, data_exists=False)
    act(world, "write 3", "rosewood")
    world.report("rosewood", data_exists=True)
    assert [(host, want.goal) for host, want in world.wanted()] == [("local", Goal.RUNNING)]
