"""A host is not trusted with the manager's memory, with states, or with what others are told."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from pydantic import ValidationError

from tests.pure.fleets import NOW, later, running, server_id
from zedops.bus.nats.messages import HEADERS, REPORT_BYTES, SHORT_BYTES, unpack
from zedops.errors import ZedopsError
from zedops.fleet.lifecycle import fold
from zedops.protocol.sync import ContainerFacts, Goal, Hello, Report, ServerReport
from zedops.spec.state_block import MESSAGE_BYTES, brief, one_line

ID = server_id(1)
BOMB = zlib.compress(b'{"host":"attic","servers":[' + b"[]," * 22_000_000 + b"[]]}", 9)


@pytest.mark.parametrize("limit", [SHORT_BYTES, REPORT_BYTES])
def test_a_small_message_that_inflates_costs_little_memory(limit: int) -> None:
    assert len(BOMB) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(ZedopsError, match=f"more than {limit} bytes"):
            unpack(BOMB, HEADERS, Report.model_validate, "attic", limit)
        assert tracemalloc.get_traced_memory()[1] < 3 * limit + (1 << 20)
    finally:
        tracemalloc.stop()


def test_a_long_message_is_refused_before_it_is_read() -> None:
    raw = b'{"host": "%s"}' % (b"a" * SHORT_BYTES)
    with pytest.raises(ZedopsError, match="more than"):
        unpack(raw, HEADERS, Hello.model_validate, "attic", SHORT_BYTES)


@pytest.mark.parametrize("words", ["A" * (4 << 20), "ä" * 3000, "x y\n" * 3000])
def test_a_message_in_a_state_is_short_whatever_a_host_says(words: str) -> None:
    report = ServerReport(id=ID, at=later(1), about="c1", failure=words, note=words)
    message = fold(running(1), report, Goal.RUNNING).message
    assert message is not None
    assert message.endswith("…")
    assert len(message.encode()) <= MESSAGE_BYTES
    assert message == one_line(message)


def test_a_message_that_is_short_is_kept_whole() -> None:
    for text in ("", "cannot pull a: no such image", "ä" * (MESSAGE_BYTES // 2)):
        assert brief(text) == text


@pytest.mark.parametrize("fields", [
    {"about": "a" * 300},
    {"at": "2026-11-23T10:00:00"},
    {"container": {"id": "a", "running": True, "image": "i" * 300}},
    {"container": {"id": "a", "running": False, "image": "i", "exit_code": 10**30}},
])
def test_what_ends_up_in_a_state_is_of_its_kind(fields: dict[str, object]) -> None:
    good = ServerReport(
        id=ID, at=NOW, about="c1", container=ContainerFacts(id="a", running=True, image="i")
    )
    said = good.model_dump(mode="json")
    assert ServerReport.model_validate(said) == good
    with pytest.raises(ValidationError):
        ServerReport.model_validate(said | fields)
