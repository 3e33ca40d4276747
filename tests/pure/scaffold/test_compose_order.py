"""The order of starting in a compose file becomes that of servers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pure.scaffold.test_compose import imported, one, said
from zedops.scaffold.compose.collect import write_order


@pytest.mark.parametrize(("written", "needs"), [
    ("depends_on: [db, cache]", {"db": "service_started", "cache": "service_started"}),
    ("depends_on: {db: {condition: service_healthy, required: false}, cache: }",
     {"db": "service_healthy", "cache": "service_started"}),
    ("links: ['db:database']", {"db": "service_started"}),
    ("links: [db], depends_on: {db: {condition: service_healthy}}", {"db": "service_healthy"}),
    ("depends_on: {job: {condition: service_completed_successfully}}", {}), ("depends_on: []", {}),
])  # fmt: skip
def test_both_forms_and_links_are_read(written: str, needs: dict[str, str]) -> None:
    found = one(f"{{image: a, {written}}}")
    assert found.needs == needs
    assert not found.refused


def test_what_no_order_can_say_is_told() -> None:
    found = one("{image: a, depends_on: {job: {condition: service_completed_successfully},"
                " db: {condition: service_started, restart: true}}}")
    assert said(found, "job: no server waits for the end of another one")
    assert said(found, "db: its restart restarts no other server")


def test_an_order_names_servers_and_leaves_out_those_that_are_not_imported() -> None:
    fields: dict[str, Any] = {}
    assert write_order(fields, {"my_db": "service_started"}, {"my_db": "my-db"}) is None
    assert fields == {"depends_on": ["my-db"]}
    note = write_order(fields, {"a": "service_healthy", "gone": "service_started"}, {"a": "a"})
    assert fields == {"depends_on": {"a": {"condition": "service_healthy"}}}
    assert note == "depends_on: gone is not imported, so this waits for no such server"


def test_services_that_wait_for_each_other_are_refused() -> None:
    text = ("services: {a: {image: i, depends_on: [b]}, b: {image: i, depends_on: {a: }},"
            " c: {image: i, depends_on: [a]}}")
    found, _ = imported(text)
    assert found["a"].refused == ["depends_on: a → b → a: they wait for each other; drop one"]
    assert found["b"].refused
    assert not found["c"].refused
