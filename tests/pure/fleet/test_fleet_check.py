"""The rules that bind a fleet together, with the words in which a push is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.pure.fleets import NOW, doc, fleet_of, running
from zedops.fleet.checks import check
from zedops.fleet.fleet import Fleet, desired_server, read_settings
from zedops.fleet.lifecycle import mark_deleted
from zedops.protocol.sync import Goal
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of
from zedops.spec.model import Desired, Drift
from zedops.spec.settings import Settings
from zedops.spec.state import Status

TWO_HOSTS = Settings(name="fleet", hosts=("attic", "cellar"))


def said(fleet: Fleet, *changed: str) -> list[str]:
    """Say what is wrong with some paths, or with all of them."""
    return [str(each) for each in check(fleet, changed or fleet.documents)]


def with_defaults(defaults: Mapping[str, object], *documents: Document) -> Fleet:
    """Put documents together under a fleet's defaults."""
    settings = Settings.model_validate({"name": "fleet", "defaults": defaults})
    return fleet_of(*documents, settings=settings)


# --- networks


def test_ports_are_refused_in_the_hosts_own_network() -> None:
    fleet = fleet_of(doc("servers.d/a.yaml", "image: a\nports: {g: 1/udp}\nnetworks: [host]\n"))
    assert said(fleet) == [
        ("servers.d/a.yaml:2:9: ports.g: cannot be published in the network 'host'; write"
         " `publish: none`, or change `networks:`")
    ]
    plain = doc("servers.d/a.yaml", "image: a\nports: {g: 1/udp}\nnetworks: [bridge, games]\n")
    assert said(fleet_of(plain)) == []


def test_the_hosts_own_network_is_the_only_one() -> None:
    fleet = fleet_of(doc("servers.d/a.yaml", "image: a\nnetworks: [games, host]\n"))
    assert said(fleet) == [
        ("servers.d/a.yaml:2:1: networks: 'host' cannot be joined together with other networks;"
         " remove it, or the others")
    ]


# --- ports


def test_a_port_of_another_server_is_refused_with_its_place_and_a_free_one() -> None:
    fleet = fleet_of(
        doc("servers.d/muldraugh.yaml", "image: a\nports:\n  game: 16261/udp\n"),
        doc("servers.d/rosewood.yaml", "image: a\n# mine\nports:\n  game: 16261/udp\n"),
    )
    assert said(fleet, "servers.d/rosewood.yaml") == [
        ("servers.d/rosewood.yaml:4:3: ports.game: host port 16261/udp is also used by 'muldraugh'"
        " (servers.d/muldraugh.yaml:3); choose another, e.g. 16262")
    ]


def test_only_what_was_changed_is_complained_about() -> None:
    fleet = fleet_of(
        doc("servers.d/a.yaml", "image: a\nports: {game: 1}\n"),
        doc("servers.d/b.yaml", "image: a\nports: {game: 1}\n"),
        doc("servers.d/c.yaml", "image: a\n"),
    )
    assert said(fleet, "servers.d/c.yaml") == []
    assert len(said(fleet)) == 2


def test_the_suggested_port_is_free_on_that_host_and_a_port() -> None:
    fleet = fleet_of(
        doc("servers.d/a.yaml", "image: a\nports: {x: 65535, y: 80, z: 1024}\n"),
        doc("servers.d/b.yaml", "image: a\nports: {x: 65535, y: 80}\n"),
    )
    free = [line.rpartition("e.g. ")[2] for line in said(fleet, "servers.d/b.yaml")]
    assert free == ["1025", "1025"]


@pytest.mark.parametrize(
    "other",
    [
        "image: a\nports: {x: 1000/udp}\n",
        "image: a\nports: {x: 1001/tcp}\n",
        'image: a\nports: {x: "1001:1000/tcp"}\n',
        "image: a\nports: {x: {container: 1000/tcp, publish: none}}\n",
    ],
)
def test_ports_meet_only_with_the_same_number_and_protocol_published(other: str) -> None:
    fleet = fleet_of(
        doc("servers.d/a.yaml", "image: a\nports: {x: 1000/tcp}\n"), doc("servers.d/b.yaml", other)
    )
    assert said(fleet) == []


def test_a_port_published_on_loopback_takes_it() -> None:
    fleet = fleet_of(
        doc("servers.d/a.yaml", "image: a\nports: {x: 1000}\n"),
        doc("servers.d/b.yaml", "image: a\nports: {x: {container: 1000, publish: loopback}}\n"),
    )
    assert len(said(fleet)) == 2


def test_every_host_has_its_own_ports() -> None:
    fleet = fleet_of(
        doc("servers.d/a.yaml", "image: a\nhost: attic\nports: {x: 1000}\n"),
        doc("servers.d/b.yaml", "image: a\nhost: cellar\nports: {x: 1000}\n"),
        settings=TWO_HOSTS,
    )
    assert said(fleet) == []


def test_a_server_cannot_use_one_port_twice() -> None:
    fleet = fleet_of(doc("servers.d/a.yaml", "image: a\nports:\n  x: 2000\n  y: '2000:2'\n"))
    assert said(fleet) == [
        ("servers.d/a.yaml:3:3: ports.x: host port 2000/tcp is also used by 'a'"
        " (servers.d/a.yaml:4); choose another, e.g. 2001"),
        ("servers.d/a.yaml:4:3: ports.y: host port 2000/tcp is also used by 'a'"
        " (servers.d/a.yaml:3); choose another, e.g. 2001"),
    ]


def test_a_deleted_server_holds_its_ports_until_its_container_is_gone() -> None:
    head = "image: a\nports: {x: 2000}\n"
    grave = mark_deleted(running(1), NOW)
    new = doc("servers.d/new.yaml", head)
    deleting = fleet_of(doc("tombstones.d/old.yaml", head, grave), new)
    deleted = fleet_of(
        doc("tombstones.d/old.yaml", head, grave.model_copy(update={"status": Status.DELETED})), new
    )
    assert said(deleting, new.path) == [
        ("servers.d/new.yaml:2:9: ports.x: host port 2000/tcp is also used by 'old'"
        " (tombstones.d/old.yaml:2); choose another, e.g. 2001")
    ]
    assert said(deleted, new.path) == []


def test_ports_that_come_from_the_defaults_are_checked_like_written_ones() -> None:
    fleet = with_defaults(
        {"ports": {"rcon": 27015}}, doc("servers.d/a.yaml"), doc("servers.d/b.yaml")
    )
    assert len(said(fleet, "servers.d/b.yaml")) == 1
    assert "host port 27015/tcp is also used by 'a'" in said(fleet, "servers.d/b.yaml")[0]


# --- hosts


def test_a_server_needs_a_host_where_there_are_several() -> None:
    fleet = fleet_of(doc("servers.d/a.yaml"), settings=TWO_HOSTS)
    assert said(fleet) == [
        ("servers.d/a.yaml:1:1: host: is required, the fleet has several hosts;"
        " add `host:` with one of attic, cellar")
    ]


def test_a_server_needs_a_host_of_the_fleet() -> None:
    fleet = fleet_of(doc("servers.d/a.yaml", "image: a\nhost: roof\n"), settings=TWO_HOSTS)
    assert said(fleet) == [
        ("servers.d/a.yaml:2:1: host: 'roof' is not a host of this fleet;"
        " use one of attic, cellar, or add it to hosts in zedops.yaml")
    ]


def test_a_server_may_get_its_host_from_the_defaults() -> None:
    settings = TWO_HOSTS.model_copy(update={"defaults": {"host": "cellar"}})
    fleet = fleet_of(doc("servers.d/a.yaml"), settings=settings)
    assert said(fleet) == []
    assert fleet.host_of(fleet.documents["servers.d/a.yaml"]) == "cellar"


def test_a_world_is_not_left_behind_by_a_change_of_host() -> None:
    head = "image: a\nhost: cellar\n"
    fleet = fleet_of(doc("servers.d/a.yaml", head, running(1, host="attic")), settings=TWO_HOSTS)
    assert said(fleet) == [
        ("servers.d/a.yaml:2:1: host: its data is on 'attic' and would stay behind;"
        " set host back to attic, or see `zedops move a --host cellar`")
    ]
    asked = doc("servers.d/a.yaml", f"{head}moved_from: attic\n", running(1, host="attic"))
    assert said(fleet_of(asked, settings=TWO_HOSTS)) == []
    lost = running(1, host="attic", data_exists=False, data_lost=True)
    assert len(said(fleet_of(doc("servers.d/a.yaml", head, lost), settings=TWO_HOSTS))) == 1
    bare = running(1, host="attic", data_exists=False)
    assert said(fleet_of(doc("servers.d/a.yaml", head, bare), settings=TWO_HOSTS)) == []


def test_a_host_that_leaves_the_settings_is_checked_against_every_server() -> None:
    fleet = fleet_of(
        doc("servers.d/a.yaml", "image: a\nhost: attic\n"),
        settings=Settings(name="fleet", hosts=("cellar",)),
    )
    assert len(said(fleet, "zedops.yaml")) == 1


# --- names


def test_a_name_is_unique_in_the_fleet_whatever_the_folder() -> None:
    fleet = fleet_of(doc("servers.d/x/a.yaml"), doc("servers.d/y/a.yaml"))
    assert said(fleet) == [
        ("servers.d/x/a.yaml: the name 'a' is also used by servers.d/y/a.yaml;"
        " rename one of the files"),
        ("servers.d/y/a.yaml: the name 'a' is also used by servers.d/x/a.yaml;"
        " rename one of the files"),
    ]


def test_a_definition_ends_in_yaml() -> None:
    assert said(fleet_of(doc("servers.d/a.yml"))) == [
        "servers.d/a.yml: definitions end in .yaml; rename it to a.yaml"
    ]


def test_a_new_definition_under_the_name_of_a_deleted_server_is_told_both_ways_out() -> None:
    fleet = fleet_of(
        doc("servers.d/a.yaml", "image: b\n"),
        doc("tombstones.d/a.yaml", "image: a\n", mark_deleted(running(1), NOW)),
    )
    assert said(fleet) == [
        ("servers.d/a.yaml: a deleted server 'a' with its data is still kept; bring the old one"
        " back with `zedops restore a`, or let go of it with `git rm tombstones.d/a.yaml`")
    ]


def test_a_tombstone_under_the_name_of_a_living_server_is_refused_too() -> None:
    fleet = fleet_of(
        doc("servers.d/a.yaml", "image: a\n", running(1)),
        doc("tombstones.d/a.yaml", "image: a\n", mark_deleted(running(2), NOW)),
    )
    assert len(said(fleet, "tombstones.d/a.yaml")) == 1


def test_the_deleted_server_itself_may_come_back_under_its_name() -> None:
    grave = doc("tombstones.d/a.yaml", "image: a\n", mark_deleted(running(1), NOW))
    assert said(fleet_of(doc("servers.d/a.yaml", "image: b\n", running(1)), grave)) == []
    assert said(fleet_of(doc("servers.d/a.yaml", "image: a\n"), grave)) == []


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("zedops.yaml", Kind.SETTINGS), ("servers.d/a.yaml", Kind.SERVER),
        ("servers.d/x/y/a.yaml", Kind.SERVER), ("servers.d/a.yml", Kind.SERVER),
        ("tombstones.d/a.yaml", Kind.TOMBSTONE), ("README.md", Kind.OTHER),
        ("servers.d/README.md", Kind.OTHER), ("servers.d", Kind.OTHER), ("a.yaml", Kind.OTHER),
        ("x/servers.d/a.yaml", Kind.OTHER), ("x/zedops.yaml", Kind.OTHER),
    ],
)  # fmt: skip
def test_a_path_says_what_a_file_is(path: str, kind: Kind) -> None:
    assert kind_of(path) is kind


# --- references and defaults


def test_a_reference_to_a_port_becomes_the_host_port() -> None:
    head = (
        'image: a\nports: {game: "1000:2000"}\nenv: {P: "${ports.game}", N: "${server.name}"}\n'
        'command: [run, "--port=${ports.game}"]\nlabels: {l: "${ports.game}"}\n'
    )
    fleet = fleet_of(doc("servers.d/a.yaml", head, running(1)))
    want = desired_server(fleet, fleet.documents["servers.d/a.yaml"], "c")
    assert want is not None
    assert want.definition.env == {"P": "1000", "N": "a"}
    assert want.definition.command == ("run", "--port=1000")
    assert want.definition.labels == {"l": "1000"}


def test_other_references_are_left_to_the_shell_in_the_container() -> None:
    head = 'image: a\nenv: {A: "${HOME} $X ${ports} ${server}"}\n'
    fleet = fleet_of(doc("servers.d/a.yaml", head, running(1)))
    want = desired_server(fleet, fleet.documents["servers.d/a.yaml"], "c")
    assert want is not None
    assert want.definition.env == {"A": "${HOME} $X ${ports} ${server}"}


def test_a_reference_to_nothing_is_refused_with_the_nearest_thing() -> None:
    head = 'image: a\nports: {game: 1}\nenv:\n  A: "${ports.gmae}"\n  B: "${server.nam}"\n'
    assert said(fleet_of(doc("servers.d/a.yaml", head))) == [
        "servers.d/a.yaml:4:3: env.A: ${ports.gmae} stands for nothing; use e.g. ${ports.game}",
        "servers.d/a.yaml:5:3: env.B: ${server.nam} stands for nothing; use e.g. ${server.name}",
    ]


def test_defaults_fill_in_what_a_definition_leaves_open() -> None:
    defaults = {"env": {"TZ": "UTC", "A": "below"}, "drift": "report", "limits": {"pids": 7}}
    one = doc("servers.d/a.yaml", "image: a\nenv: {A: above}\nlimits: {memory: 1g}\n", running(1))
    want = desired_server(with_defaults(defaults, one), one, "c")
    assert want is not None
    assert want.definition.env == {"TZ": "UTC", "A": "above"}
    assert (want.definition.limits.pids, want.definition.limits.memory) == (7, 1 << 30)
    assert want.drift is Drift.REPORT


def test_settings_are_checked_like_definitions() -> None:
    text = "name: fleet\nhosts: [a, a]\nretentoin: 5m\nretention: 5\n"
    problems = read_settings(text.encode(), "x")[1]
    assert [str(each) for each in problems] == [
        "zedops.yaml:2:1: hosts: a host is named twice; name each once",
        ("zedops.yaml:4:1: retention: 5 is not a duration;"
        " write a number with a unit, e.g. 90s, 5m, 24h"),
        "zedops.yaml:3:1: retentoin: unknown key; did you mean 'retention'?",
    ]


def test_defaults_are_checked_as_the_part_of_a_definition_that_they_are() -> None:
    problems = read_settings(b"defaults:\n  limits: {memroy: 1g}\n  desired: up\n", "x")[1]
    assert [str(each) for each in problems] == [
        ("zedops.yaml:3:3: defaults.desired: 'up' is not one of running, stopped;"
        " choose one of them"),
        "zedops.yaml:2:12: defaults.limits.memroy: unknown key; did you mean 'memory'?",
    ]


@pytest.mark.parametrize("line", ["purge: data", "adopt: old", "moved_from: attic"])
def test_a_push_of_defaults_with_a_field_of_a_single_server_is_refused(line: str) -> None:
    settings, problems = read_settings(f"name: x\ndefaults:\n  {line}\n".encode(), "x")
    fleet = Fleet(settings=settings, problems=problems)
    key, remedy = line.partition(":")[0], "write it into the definitions"
    assert said(fleet, "zedops.yaml") == [
        f"zedops.yaml:3:3: defaults.{key}: belongs to a single server; {remedy}"
    ]


def test_defaults_that_hold_a_purge_already_remove_no_data() -> None:
    ended = running(1, status=Status.DELETED, deleted_at=NOW)
    grave = doc("tombstones.d/a.yaml", "image: a\n", ended)
    assert desired_server(with_defaults({"purge": "data"}, grave), grave, "c") is None
    stopping = doc("tombstones.d/a.yaml", "image: a\n", running(1))
    want = desired_server(with_defaults({"purge": "data"}, stopping), stopping, "c")
    assert want is not None
    assert want.goal is Goal.DELETED
    asked = doc("tombstones.d/a.yaml", "image: a\npurge: data\n", ended)
    want = desired_server(with_defaults({}, asked), asked, "c")
    assert want is not None
    assert want.goal is Goal.PURGED


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"~\n", b"hosts: [local]\n"])
def test_settings_without_a_name_take_the_name_of_the_hub(content: bytes) -> None:
    settings, problems = read_settings(content, "attic-fleet")
    assert (settings.name, problems) == ("attic-fleet", ())


def test_broken_settings_are_a_problem_and_not_an_empty_fleet() -> None:
    for content in (b"[1]", b"name: [", b"caf\xe9", b"{", b"hosts: 5"):
        assert read_settings(content, "x")[1]


# --- what a host gets


def test_a_host_gets_nothing_of_a_server_that_is_broken_or_gone() -> None:
    gone = mark_deleted(running(1), NOW).model_copy(update={"status": Status.DELETED})
    broken = doc("servers.d/a.yaml", "imge: a\n", running(1))
    grave = doc("tombstones.d/a.yaml", "image: a\n", gone)
    unborn = doc("servers.d/a.yaml")
    for each in (broken, grave, unborn):
        assert desired_server(fleet_of(each), each, "c") is None


@pytest.mark.parametrize(
    ("path", "desired", "goal"),
    [
        ("servers.d/a.yaml", Desired.RUNNING, Goal.RUNNING),
        ("servers.d/a.yaml", Desired.STOPPED, Goal.STOPPED),
        ("tombstones.d/a.yaml", Desired.RUNNING, Goal.DELETED),
    ],
)
def test_the_goal_follows_from_where_the_file_is_and_what_it_asks(
    path: str, desired: Desired, goal: Goal
) -> None:
    one = doc(path, f"image: a\ndesired: {desired}\n", running(1))
    want = desired_server(fleet_of(one), one, "c")
    assert want is not None
    assert (want.goal, want.created, want.data_expected) == (goal, True, True)


@pytest.mark.parametrize(("interval", "said"), [
    ("1ms", [(
        "servers.d/a.yaml:2:20: health.interval: is shorter than 1 s: each check costs the host"
        " more than the server may use; write 1 s or more, e.g. 30s"
    )]),
    ("1s", []),
])  # fmt: skip
def test_a_health_check_that_never_rests_is_refused_at_the_push(
    interval: str, said: list[str]
) -> None:
    text = f"image: a\nhealth: {{test: id, interval: {interval}}}\n"
    fleet = fleet_of(doc("servers.d/a.yaml", text))
    assert [str(each) for each in check(fleet, fleet.documents)] == said
