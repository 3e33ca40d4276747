"""Releases that differ in optional fields speak with each other; a definition is taken whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from zedops.bus.nats.messages import (
    HEADERS,
    MANAGER,
    REVISION_HEADER,
    pack,
    revision_of,
    unpack,
)
from zedops.errors import NewerDefinition, ZedopsError
from zedops.hub.snapshot import shipped_presets
from zedops.protocol.requests import Pong, Shape, read_reply, read_request
from zedops.protocol.revisions import ADDED, REVISION, read_document, written
from zedops.protocol.sync import (
    Activity,
    DesiredDocument,
    DesiredServer,
    Goal,
    Heartbeat,
    Hello,
    Report,
    ServerReport,
)
from zedops.spec.model import Definition, Drift, definition_hash

ID = "01" + "A" * 24
AT = datetime(2026, 12, 1, tzinfo=UTC)


def document(definition: Definition) -> DesiredDocument:
    wanted = DesiredServer(
        id=ID, name="pz", goal=Goal.RUNNING, definition=definition, created=True,
        hash=definition_hash(definition), commit="abc", data_expected=True, drift=Drift.HEAL,
        kept_s=7.0,
    )
    return DesiredDocument(
        fleet="home", host="attic", epoch=1, rev=2, hub="feed", servers={ID: wanted}
    )


REPORT = Report(host="attic", servers=(
    ServerReport(id=ID, at=AT, about="abc", goal=Goal.RUNNING, under=(1, 2),
                 activity=Activity.BACKUP, backup="x"),
))
PONG = Pong(zedops="1", engine="2", epoch=3, rev=4, data_root="/srv", boot_id="b")
SHAPE = Shape(id="i", name="n", image="a", running=True, options={"tty": True},
              attachments={"games": {"aliases": ["db"]}})

#: What each message had when releases named no revision.
FIRST = {
    "DesiredDocument": {"version", "fleet", "host", "epoch", "rev", "servers"},
    "Report": {"version", "host", "servers", "full"},
    "Pong": {"kind", "zedops", "engine", "epoch", "rev"},
    "Shape": {
        "kind", "id", "name", "image", "running", "owner", "command", "env", "ports", "mounts",
        "user", "hostname", "networks", "cap_add", "memory_bytes", "nano_cpus", "stop_signal",
        "grace_s", "health", "labels", "unsaid",
    },
}
FIRST_REPORT = {
    "id", "at", "container", "data_exists", "data_lost", "activity", "failure", "note", "about",
    "goal", "applied",
}
FIRST_SERVER = {
    "id", "name", "goal", "definition", "hash", "commit", "created", "data_expected", "drift",
}


@pytest.mark.parametrize("message", [document(Definition(image="a")), REPORT, PONG, SHAPE])
def test_a_peer_without_a_revision_gets_no_field_that_came_later(message: BaseModel) -> None:
    said = json.loads(written(message, 0))
    assert said.keys() <= FIRST[type(message).__name__]
    if isinstance(message, Report):
        assert said["servers"][0].keys() == FIRST_REPORT
        assert said["servers"][0]["activity"] == "other"
    if isinstance(message, DesiredDocument):
        assert said["servers"][ID].keys() == FIRST_SERVER
    fields = set(type(message).model_fields)
    assert fields - FIRST[type(message).__name__] <= json.loads(written(message)).keys()


def test_the_newest_revision_is_the_one_that_this_release_names() -> None:
    assert max(ADDED) == REVISION
    assert HEADERS[REVISION_HEADER] == str(REVISION)


@pytest.mark.parametrize(("said", "number"), [
    ({}, 0), (None, 0), ({REVISION_HEADER: "3"}, 3), ({REVISION_HEADER: "²"}, 0),
    ({REVISION_HEADER: "9" * 5000}, 0), ({REVISION_HEADER: "-1"}, 0), ({REVISION_HEADER: ""}, 0),
])  # fmt: skip
def test_a_revision_is_a_short_number_or_none(said: dict[str, str] | None, number: int) -> None:
    assert revision_of(said) == number


def test_a_field_of_a_newer_peer_is_ignored_and_kept_nowhere() -> None:
    said = json.loads(written(REPORT))
    said["mood"] = {"deep": [1, 2]}
    said["servers"][0]["colour"] = "blue"
    read = Report.model_validate(said)
    assert read == REPORT
    assert "blue" not in read.model_dump_json()
    assert Hello.model_validate({"host": "attic", "x": 1}) == Hello(host="attic")
    assert read_request({"kind": "ping", "x": 1}).kind == "ping"
    assert read_reply({**PONG.model_dump(), "x": 1}) == PONG
    newer = {**json.loads(written(document(Definition(image="a")))), "x": 1}
    newer["servers"][ID]["x"] = 1
    assert read_document(newer) == document(Definition(image="a"))


@pytest.mark.parametrize("said", [
    {"host": "attic", "epoch": "x", "rev": 1, "new": 1}, {"host": "../x", "epoch": 1, "rev": 1},
    {"epoch": 1, "rev": 1, "new": 1},
])  # fmt: skip
def test_known_fields_keep_their_types_beside_unknown_ones(said: dict[str, Any]) -> None:
    with pytest.raises(ZedopsError, match="unreadable message"):
        unpack(json.dumps(said).encode(), HEADERS, Heartbeat.model_validate, "host 'attic'")


@pytest.mark.parametrize("name", sorted(shipped_presets()))
def test_a_document_without_defaults_says_the_same(name: str) -> None:
    data = {key: each for key, each in shipped_presets()[name].data.items() if key != "about"}
    known = {key: each for key, each in data.items() if key in Definition.model_fields}
    definition = Definition.model_validate({"image": "a", **known})
    sent = document(definition)
    assert unpack(pack(sent), HEADERS, read_document, MANAGER) == sent
    older = unpack(pack(sent, 0), HEADERS, read_document, MANAGER)
    assert older.servers[ID].definition == definition


@pytest.mark.parametrize(("change", "field"), [
    ({"shields": "up"}, "shields"), ({"limits": {"magic": 1}}, "limits.magic"),
    ({"profile": "titanium"}, "profile"),
])  # fmt: skip
def test_no_half_of_a_newer_definition_is_made(change: dict[str, Any], field: str) -> None:
    said = json.loads(written(document(Definition(image="a"))))
    said["servers"][ID]["definition"] |= change
    with pytest.raises(NewerDefinition) as error:
        unpack(json.dumps(said).encode(), HEADERS, read_document, MANAGER)
    assert error.value.servers == (ID,)
    assert str(error.value) == (
        f"the host's zedops does not understand `{field}` of server {ID};"
        " upgrade zedops of the host"
    )


def test_a_damaged_document_is_not_taken_for_a_newer_one() -> None:
    said = json.loads(written(document(Definition(image="a"))))
    said["servers"][ID]["definition"]["shields"] = "up"
    said["rev"] = "x"
    with pytest.raises(ValidationError):
        read_document(said)
