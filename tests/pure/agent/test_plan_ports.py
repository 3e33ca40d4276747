"""Host ports: a port that somebody else has is found before anything is taken down for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.pure.fleets import NOW, server_id
from tests.pure.plans import HASH, container, old, plan_for, planned, see, settled, wanted
from zedops.protocol.requests import PortUse
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.model import Definition
from zedops_agent.failures import failed
from zedops_agent.memory import Memory
from zedops_agent.observed import Phase
from zedops_agent.ports import conflict, ghost, gives_way, is_leaving, waits_for, who_has
from zedops_agent.steps import CheckPorts, MakeData, Pull

WEB = {"web": "8080:80"}
WANT = wanted(ports=WEB)
MINE = server_id(1)


# --- when it is looked


def test_a_changed_servers_ports_are_checked_before_the_container_that_runs_is_stopped() -> None:
    assert planned(WANT, see(old())) == """\
pull img (the definition changed)
make data (the definition changed)
check ports, stopped ones too (the definition changed)
create f-rosewood.next (the definition changed)
stop old (the definition changed)
rename old to f-rosewood-previous (the definition changed)
rename f-rosewood.next to f-rosewood (the definition changed)
start f-rosewood (the definition changed)"""


def test_not_even_what_is_left_over_goes_before_the_ports_were_checked() -> None:
    older = replace(old(Phase.EXITED), id="older", name="f-rosewood-previous")
    steps = plan_for(WANT, see(old(), older)).steps
    assert [type(each) for each in steps[:3]] == [Pull, MakeData, CheckPorts]
    assert planned(WANT, see(old(), older)).splitlines()[3] == "remove older (superseded)"


def test_ports_that_the_server_has_already_are_not_asked_for_again() -> None:
    has = old(bound=frozenset({("", 8080, 80, "tcp"), ("::", 8080, 80, "tcp")}))
    assert "check ports" not in planned(WANT, see(has))


@pytest.mark.parametrize(
    "bound", [("127.0.0.1", 8080, 80, "tcp"), ("", 8080, 80, "udp"), ("", 8081, 80, "tcp")]
)
def test_a_port_that_differs_from_what_the_server_has_is_checked(
    bound: tuple[str, int, int, str]
) -> None:
    assert "check ports" in planned(WANT, see(old(bound=frozenset({bound}))))


def test_a_new_server_leaves_alone_what_a_stopped_container_will_want_back() -> None:
    assert "check ports, stopped ones too (new server)" in planned(WANT, see(), Memory())


def test_a_recovery_only_asks_who_has_the_port_now() -> None:
    created = wanted(ports=WEB, created=True, data_expected=True)
    assert "check ports (the container was gone)" in planned(created, see())


@pytest.mark.parametrize("ports", [{}, {"rcon": {"container": "27015/tcp", "publish": "none"}}])
def test_a_server_without_ports_of_the_host_asks_nobody(ports: dict[str, object]) -> None:
    assert "check ports" not in planned(wanted(ports=ports), see(old()))


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PAUSED, Phase.EXITED])
def test_a_taken_port_takes_nothing_down_and_is_tried_again(phase: Phase) -> None:
    taken = "ports.web: host port 8080/tcp is taken by container 'mc'"
    memory = failed(settled(applied="1:old"), WANT, taken, NOW, retry=True)
    assert planned(WANT, see(old(phase)), memory) == "again in 1 s"
    assert planned(WANT, see(old(phase)), memory, 10).startswith("pull img ")


def test_a_taken_port_does_not_keep_a_server_from_being_stopped_or_deleted() -> None:
    memory = failed(settled(), WANT, "taken", NOW, retry=True)
    assert planned(wanted(Goal.STOPPED, ports=WEB), see(old()), memory) == (
        "stop old (desired: stopped)"
    )
    assert planned(wanted(Goal.DELETED, ports=WEB), see(old()), memory).startswith("stop old ")


def test_another_port_is_tried_at_once() -> None:
    memory = failed(settled(), WANT, "taken", NOW, retry=True)
    other = wanted(ports={"web": "8081:80"}, hash=HASH + "er")
    assert planned(other, see(container(definition="1:old")), memory).startswith("pull img ")


# --- who has it


def use(**facts: object) -> PortUse:
    """Take port 8080 of every address."""
    known = {"protocol": "tcp", "port": 8080, "holder": "container 'mc'"}
    return PortUse.model_validate({**known, **facts})


def taken(*uses: PortUse, publish: str = "public", stopped_too: bool = True) -> str | None:
    """Hold a definition of port 8080 against what is taken."""
    ports = {"web": {"host": 8080, "container": "80/tcp", "publish": publish}}
    definition = Definition.model_validate({"image": "img", "ports": ports})
    return conflict(definition, uses, MINE, stopped_too=stopped_too)


def test_a_taken_port_is_told_with_its_holder_and_a_free_one() -> None:
    assert taken(use(), use(port=8081)) == (
        "ports.web: host port 8080/tcp is taken by container 'mc'; free it, or choose another,"
        " e.g. 8082"
    )


def test_what_the_server_itself_or_another_protocol_or_port_has_is_no_conflict() -> None:
    assert taken(use(server_id=MINE), use(protocol="udp"), use(port=8081)) is None


def test_a_stopped_containers_port_counts_only_where_that_is_asked() -> None:
    stopped = use(active=False)
    assert taken(stopped) is not None
    assert taken(stopped, stopped_too=False) is None


@pytest.mark.parametrize(
    ("publish", "address", "meets"),
    [
        ("public", "127.0.0.1", True),
        ("public", "", True),
        ("loopback", "0.0.0.0", True),  # noqa: S104 - compared with
        ("loopback", "::", True),
        ("loopback", "127.0.0.1", True),
        ("loopback", "192.168.1.5", False),
        ("none", "", False),
    ],
)
def test_addresses_meet_if_one_is_all_of_them(publish: str, address: str, meets: bool) -> None:
    assert (taken(use(address=address), publish=publish) is not None) is meets


# --- ports that change hands


def ring(*ports: int) -> tuple[list[PortUse], dict[str, DesiredServer]]:
    """Have servers that each hold a port, and want the next one's."""
    ids = [server_id(each) for each in range(1, len(ports) + 1)]
    uses = [held(port, server_id=each) for each, port in zip(ids, ports, strict=True)]
    following = [*ports[1:], ports[0]]
    wants = {
        each: wanted(id=each, ports={"web": f"{port}:80"})
        for each, port in zip(ids, following, strict=True)
    }
    return uses, wants


def held(port: int, **facts: Any) -> PortUse:
    """Say that a running container has a port."""
    known = {"protocol": "tcp", "address": "", "holder": "container", "active": True}
    return PortUse(port=port, **{**known, **facts})


@pytest.mark.parametrize("ports", [(1, 2), (1, 2, 3), (5, 3, 4, 9)])
def test_one_server_of_a_ring_gives_way_and_the_others_wait(ports: tuple[int, ...]) -> None:
    uses, wants = ring(*ports)
    assert all(is_leaving(each, wants.get) for each in uses)
    assert all(len(waits_for(each, uses, wants.get)) == 1 for each in wants.values())
    first = [each.id for each in wants.values() if gives_way(each, uses, wants.get)]
    assert first == [server_id(1)]


def test_a_server_waits_for_one_that_goes_and_gives_no_way_to_it() -> None:
    uses, wants = ring(1, 2)
    gone = wants[server_id(2)].model_copy(update={"goal": Goal.DELETED})
    wants[server_id(2)] = gone
    assert waits_for(wants[server_id(1)], uses[1:], wants.get) == {server_id(2)}
    assert not gives_way(wants[server_id(1)], uses[1:], wants.get)


def test_a_server_waits_for_nobody_who_stays_nor_for_strangers() -> None:
    uses, wants = ring(1, 2)
    stays = wanted(id=server_id(2), ports={"web": "2:80"})
    wants[server_id(2)] = stays
    assert waits_for(wants[server_id(1)], uses, wants.get) == set()
    assert not is_leaving(held(2), wants.get)
    assert not is_leaving(held(2, server_id="another"), wants.get)


ALLOCATED = "endpoint f-a: Bind for 0.0.0.0:25000 failed: port is already allocated"
IN_USE = "listen tcp4 0.0.0.0:25000: bind: address already in use"


def test_a_port_that_the_engine_did_not_give_is_told_with_who_has_it() -> None:
    other = held(25000, holder="container 'mc'", server_id=server_id(2))
    said = "host port 25000 is taken by container 'mc'; free it, or choose another"
    assert who_has(ALLOCATED, [other], MINE) == said
    assert who_has(IN_USE, [other], MINE) == said
    assert who_has("no such image", [other], MINE) == ""


def test_a_port_of_a_proxy_without_a_container_is_told_with_the_remedy() -> None:
    proxy = held(25000, holder=ghost(7), server_id=None)
    said = (
        "host port 25000 is taken by the Engine, for no container that runs (docker-proxy,"
        " process 7); restart the Engine to free it (`systemctl restart docker`), or choose another"
    )
    assert who_has(ALLOCATED, [proxy], MINE) == said
    assert who_has(IN_USE, [proxy], MINE) == said


def test_a_port_that_the_engine_holds_for_nobody_is_told_with_the_remedy() -> None:
    own = held(25000, server_id=MINE)
    assert who_has(ALLOCATED, [own], MINE) == (
        "no container and no process has host port 25000, the Engine holds it for one gone;"
        " restart the Engine: `systemctl restart docker`"
    )
    assert who_has(IN_USE, [own], MINE) == ""
