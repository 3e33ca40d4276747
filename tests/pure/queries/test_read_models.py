"""The read models keep their fields, in their order, and cross the socket unchanged."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, get_args, get_origin

import pytest

from tests.pure.fleets import doc, fleet_of, server_id
from zedops.queries import changes, conversion, servers
from zedops.queries.output import SHAPES, Planned, PlannedServer
from zedops.queries.rows import ServerDetail, ServerRow
from zedops.spec.state import State, Status

SERVER = ("name path id status desired host image ports data_exists deleted_at container commit "
          "since message problems backup_at backup_snapshot backup_bytes ready "
          "backup_proven_at backup_proven backup_late_at")
#: The fields that scripts know, by command; new ones may follow at the end.
KNOWN = {
    "list": SERVER,
    "show SERVER": f"{SERVER} definition",
    "show SERVER --resolved": "field value origin",
    "status": SERVER,
    "status SERVER": f"{SERVER} definition",
    "history": "at who what commit servers transitions why",
    "stats": "name cpu_cores server_id cpu_ns at_ns memory_bytes memory_limit_bytes pids uptime "
             "health",
    "data": "server host volume path exists size_bytes files",
    "backups": "id server server_id at reason host repository address size_bytes files",
    "plan": "servers problems warnings",
    "diff": "server path change fields",
    "ports": "host port protocol server key holder",
    "orphans": "host id name container image running path data_exists",
    "validate": "kind path line column field fact remedy",
    "doctor": "where subject verdict fact remedy",
    "host list": "name servers in_fleet joined quiet_s answers zedops engine",
    "host add HOST": "host token ttl_s",
    "secret list": "server name kept set asked_for",
}  # fmt: skip


@pytest.mark.parametrize("command", SHAPES)
def test_a_command_keeps_the_fields_of_its_json(command: str) -> None:
    shape = SHAPES[command]
    model = get_args(shape)[0] if get_origin(shape) is list else shape
    if not is_dataclass(model):
        assert command in ("ports --free N", "ports --for SERVER")
        return
    known = KNOWN[command].split()
    assert [each.name for each in fields(model)][: len(known)] == known


def in_json(value: object) -> Any:
    return json.loads(json.dumps(value, default=conversion.plain))


def test_a_model_is_the_same_after_the_socket() -> None:
    fleet = fleet_of(doc("servers.d/a.yaml", "image: x\nports: {game: 16261/udp}\n"))
    (row,) = servers.rows(fleet, include_deleted=True)
    assert row.ports == ["16261/udp"]
    assert conversion.read_all(ServerRow, in_json([row])) == [row]
    detail = servers.detail(fleet, next(fleet.servers()))
    assert conversion.read(ServerDetail, in_json(detail)) == detail
    assert list(in_json(detail)) == KNOWN["show SERVER"].split()
    planned = changes.plan(fleet_of(), fleet, {"servers.d/a.yaml"}, None)
    assert [each.server for each in planned.servers] == ["a"]
    assert conversion.read(Planned, {**in_json(planned), "exit": 0}) == planned


def test_a_manager_of_another_release_may_send_other_fields() -> None:
    said = {"servers": [{"server": "a", "effect": "restart", "colour": "red"}], "mood": "good"}
    nothing: Any = None
    assert conversion.read(Planned, said) == Planned(
        [PlannedServer("a", nothing, None, "restart", nothing, None, nothing)], nothing, nothing
    )


def test_a_time_is_written_in_utc_to_the_second() -> None:
    at = datetime(2026, 11, 23, 10, 12, 20, 5, tzinfo=timezone(timedelta(hours=2)))
    assert conversion.written(at) == "2026-11-23T08:12:20Z"
    assert in_json(at) == "2026-11-23T08:12:20Z"


@pytest.mark.parametrize(("sign", "message", "shown", "ready"), [
    ("ready: {log: Done}\n", "starting: it waits", "starting", False),
    ("ready: {log: Done}\n", "unhealthy: it is not ready: late", "running", False),
    ("ready: {log: Done}\n", None, "running", True), ("", None, "running", None),
])  # fmt: skip
def test_a_server_that_is_not_ready_is_shown_as_starting(
    sign: str, message: str | None, shown: str, ready: bool | None
) -> None:
    each = doc("servers.d/a.yaml", f"image: x\n{sign}")
    state = State(id=server_id(1), status=Status.RUNNING, message=message)
    row = servers.facts(fleet_of(each), replace(each, state=state))
    assert (row.status, row.shown, row.ready) == ("running", shown, ready)
