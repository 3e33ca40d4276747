"""Which orders of starting a push may ask for."""

from __future__ import annotations

import pytest

from tests.pure.fleets import doc, fleet_of
from zedops.fleet.checks import check
from zedops.spec.document import parse
from zedops.spec.model import definition_hash
from zedops.spec.settings import Settings


def said(
    orders: dict[str, str], changed: str = "a", hosts: dict[str, str] | None = None
) -> list[str]:
    """Say what is wrong with one of several servers, each with its `depends_on`."""
    host = {"a": "here", **(hosts or {})}
    documents = [
        doc(f"servers.d/{name}.yaml",
            f"image: i\nhost: {host.get(name, 'here')}\ndepends_on: {order}\n")
        for name, order in orders.items()
    ]
    fleet = fleet_of(*documents, settings=Settings(name="fleet", hosts=("here", "there")))
    return [str(each) for each in check(fleet, [f"servers.d/{changed}.yaml"])]


@pytest.mark.parametrize("order", [
    "[b]", "b", "{b: {}}", "{b: {condition: service_healthy}}", "[]", "[b, c]",
])  # fmt: skip
def test_a_server_waits_for_others_of_its_host(order: str) -> None:
    assert said({"a": order, "b": "[c]", "c": "[]"}) == []


@pytest.mark.parametrize(("orders", "fact"), [
    ({"a": "[x]"}, "servers.d/a.yaml:3:1: depends_on: 'x' is no server of this fleet; correct"),
    ({"a": "[a]"}, "these wait for each other: a → a; remove one of them"),
    ({"a": "[b]", "b": "[c]", "c": "[a]"}, "these wait for each other: a → b → c → a"),
    ({"a": "{b: {condition: healthy}}", "b": "[]"}, "service_started"),
    ({"a": "[B!]"}, "is not a name"), ({"a": "[[b]]"}, "is no list of names"),
])  # fmt: skip
def test_an_order_that_cannot_be_is_refused_with_its_place(
    orders: dict[str, str], fact: str
) -> None:
    assert [each for each in said(orders) if fact in each], said(orders)


def test_an_order_is_kept_on_one_host() -> None:
    found = said({"a": "[b]", "b": "[]"}, hosts={"b": "there"})
    fact = "servers.d/a.yaml:3:1: depends_on: 'b' is on 'there'; an order is kept on one host"
    assert found == [f"{fact}; correct the name, or remove it"]


def test_a_ring_of_others_is_their_own() -> None:
    assert said({"a": "[b]", "b": "[c]", "c": "[b]"}) == []
    assert said({"a": "[b]", "b": "[c]", "c": "[b]"}, changed="b")


def test_an_order_recreates_nothing() -> None:
    with_order = parse("servers.d/a.yaml", b"image: i\ndepends_on: [b]\n").definition
    without = parse("servers.d/a.yaml", b"image: i\n").definition
    assert with_order is not None
    assert without is not None
    assert definition_hash(with_order) == definition_hash(without)
