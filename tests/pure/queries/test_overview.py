"""The overview puts trouble first, hides deleted servers, and offers what a status allows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pure.fleets import NOW, doc, fleet_of, running
from zedops.queries import conversion
from zedops.queries.offers import going_on, offers
from zedops.queries.overview import (
    ORDER,
    PAGE_SIZE,
    Filter,
    FleetRow,
    first_line,
    named,
    overview,
    row,
)
from zedops.spec.state import Status


def made(name: str = "a", status: str = "running", **facts: Any) -> FleetRow:
    path = f"{'tombstones.d' if status == 'deleted' else 'servers.d'}/{name}.yaml"
    said = {"name": name, "path": path, "status": status, "desired": "running", "ports": [],
            "problems": [], "labels": {}, "folder": "", "data_exists": True}
    return conversion.read(FleetRow, {**said, **facts})


def names(rows: list[FleetRow], **wanted: Any) -> list[str]:
    return [each.name for each in overview(rows, Filter(**wanted)).rows]


def test_every_status_has_its_place_and_its_acts() -> None:
    assert set(ORDER) == set(Status)
    for each in Status:
        one = made(status=each.value)
        assert bool(offers(one)) != bool(going_on(one)), each


@pytest.mark.parametrize(("facts", "verbs"), [
    ({"status": "running"}, "stop restart rebuild delete"),
    ({"status": "stopped", "desired": "stopped"}, "start delete"),
    ({"status": "stopped"}, "retry delete"),
    ({"status": "missing"}, "retry purge"),
    ({"status": "missing", "data_exists": False}, "purge"),
    ({"status": "missing", "data_lost": True}, "purge"),
    ({"status": "failed"}, "edit retry purge"),
    ({"status": "deleted"}, "restore purge"),
    ({"status": "creating"}, ""), ({"status": "deleting"}, ""), ({"status": "unknown"}, ""),
    ({"status": "pending"}, ""), ({"status": "of the future"}, ""),
])  # fmt: skip
def test_a_server_offers_what_its_status_and_data_allow(facts: Any, verbs: str) -> None:
    assert [each.verb for each in offers(made(**facts))] == verbs.split()


def test_lost_data_says_how_it_comes_back() -> None:
    assert "Put its data back" in going_on(made(status="missing", data_lost=True))


def test_trouble_is_first_and_then_the_name() -> None:
    rows = [made("b"), made("a"), made("z", "failed"), made("y", "unknown"), made("x", "stopped")]
    assert names(rows) == ["z", "y", "x", "a", "b"]


def test_deleted_servers_are_hidden_and_counted() -> None:
    rows = [made("a"), made("b", "deleted"), made("c", "deleted")]
    seen = overview(rows, Filter())
    assert (seen.found, seen.total, seen.hidden) == (1, 1, 2)
    seen = overview(rows, Filter(deleted=True))
    assert (seen.found, seen.hidden) == (3, 0)
    assert named(rows, "b") is rows[1]


@pytest.mark.parametrize(("wanted", "found"), [
    ({"text": "ROSE zomboid"}, ["rosewood"]),
    ({"text": "16261"}, ["rosewood"]),
    ({"text": "rose nothing"}, []),
    ({"statuses": frozenset({"stopped"})}, ["mill"]),
    ({"host": "attic"}, ["mill"]),
    ({"folder": "old"}, ["mill"]),
    ({"folder": "ol"}, []),
    ({"label": "team"}, ["mill", "rosewood"]),
    ({"label": "team=blue"}, ["rosewood"]),
    ({"label": "team="}, []),
])  # fmt: skip
def test_a_filter_narrows(wanted: Any, found: list[str]) -> None:
    rows = [
        made("rosewood", labels={"team": "blue"}, game="project-zomboid", ports=["16261/udp"]),
        made("mill", "stopped", host="attic", folder="old/ones", labels={"team": "red"}),
    ]
    assert names(rows, **wanted) == found


def test_ten_thousand_servers_come_in_pages() -> None:
    rows = [made(f"s{number:05}") for number in range(10_000)]
    seen = overview(rows, Filter(page=2))
    assert [seen.rows[0].name, len(seen.rows), seen.pages] == ["s00100", PAGE_SIZE, 100]
    assert overview(rows, Filter(page=999)).page == 100
    assert overview([], Filter(page=5)).pages == 1


def test_a_row_says_where_a_server_is_and_what_its_host_does() -> None:
    head = "image: a\nlabels: {team: blue}\n"
    each = doc("servers.d/old/ones/mill.yaml", head, running(1, status=Status.CREATING))
    shown = row(fleet_of(each), each, waits=True, progress="pulling 41 %")
    assert (shown.folder, shown.labels, shown.message) == (
        "old/ones", {"team": "blue"}, "pulling 41 %"
    )
    assert (shown.key, shown.is_deleted, shown.kept_until) == ("s-mill", False, None)
    grave = doc("tombstones.d/mill.yaml", head, running(1, status=Status.DELETED, deleted_at=NOW))
    shown = row(fleet_of(grave), grave, waits=False)
    assert (shown.key, shown.kept_until) == ("d-mill", "2026-11-24T10:00:00Z")


def test_the_first_line_of_a_message_is_shown() -> None:
    assert first_line("one\ntwo") == "one"
    assert first_line(None) == ""
