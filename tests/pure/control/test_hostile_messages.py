"""Whatever comes over a wire or through the door is read, or refused in words."""

from __future__ import annotations

import contextlib
import json
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zedops.bus.nats.messages import VERSION_HEADER, pack, unpack
from zedops.clone.edits import Edits
from zedops.control import protocol
from zedops.errors import VersionMismatch, ZedopsError
from zedops.protocol import requests as protocol_requests
from zedops.protocol.message import Message
from zedops.protocol.sync import DesiredDocument, Heartbeat, Hello, Report

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)
_KINDS: list[type[Message]] = [DesiredDocument, Report, Hello, Heartbeat]
_NAMES = ["do", "updates", "options", "env", "host", "ttl_s", "request", "server", "hosts", "kind",
          "buried", "at", "base", "files", "server_id", "command", "version", "epoch", "rev",
          "servers", "fleet"]
_WORDS = ["pre-receive", "proc-receive", "post-receive", "call", "stream", "host-add", "show",
          "list", "list-at", "plan", "logs", "exec", "ports", "orphans", "ping", "inspect",
          "refs/heads/main", "0" * 40]
_LIKELY = st.dictionaries(
    st.sampled_from(_NAMES), st.sampled_from(_WORDS) | _JSON | st.lists(st.sampled_from(_WORDS)),
)


@given(st.binary(max_size=200) | _JSON.map(lambda said: json.dumps(said).encode()),
       st.none() | st.dictionaries(st.sampled_from([VERSION_HEADER, "Zed-Error"]), st.text()),
       st.sampled_from(_KINDS))
@example(b"{}", {VERSION_HEADER: "²"}, Hello)
@example(b"{}", {VERSION_HEADER: "9" * 5000}, Hello)
@example(b"[" * 100_000, {VERSION_HEADER: "1"}, Hello)
@example(b"x\x9c", {VERSION_HEADER: "1"}, Hello)
@example(b'{"host": "a", "epoch": ' + b"9" * 5000 + b"}", {VERSION_HEADER: "1"}, Hello)
def test_a_message_is_read_or_refused(
    raw: bytes, headers: dict[str, str] | None, kind: type[Message]
) -> None:
    with contextlib.suppress(ZedopsError):
        assert isinstance(unpack(raw, headers, kind.model_validate, "attic"), kind)


@given(_LIKELY | _JSON)
def test_a_question_is_read_or_refused(said: object) -> None:
    for read in (
        protocol_requests.read_request,
        protocol_requests.read_reply,
        protocol_requests.read_stream_request,
    ):
        with contextlib.suppress(ValueError):
            assert isinstance(read(said), Message)


def test_a_message_that_inflates_without_end_is_cut_off() -> None:
    bomb = zlib.compress(b" " * (65 << 20), 9)
    assert len(bomb) < 100_000
    with pytest.raises(ZedopsError, match="said more than"):
        unpack(bomb, {VERSION_HEADER: "1"}, Hello.model_validate, "attic")


def test_what_was_packed_is_what_is_read() -> None:
    hello = Hello(host="attic", epoch=1, rev=2)
    assert unpack(pack(hello), {VERSION_HEADER: "1"}, Hello.model_validate, "attic") == hello
    with pytest.raises(VersionMismatch, match="upgrade zedops of attic"):
        unpack(pack(hello), {VERSION_HEADER: "0"}, Hello.model_validate, "attic")


@given(st.binary(max_size=200) | (_LIKELY | _JSON).map(lambda said: json.dumps(said).encode()))
def test_a_line_at_the_door_is_read_or_refused(line: bytes) -> None:
    with contextlib.suppress(ZedopsError):
        assert isinstance(protocol.read(line)["do"], str)


_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=6)  # halves of pairs, too


@given(st.dictionaries(_ANY_TEXT, st.none() | st.booleans() | _ANY_TEXT | _JSON, max_size=3))
@example({"servers.d/a.yaml": "caf\udce9"})
@example({"servers.d/a.yaml": "\ud800"})
def test_edits_at_the_door_are_files_or_refused(files: dict[str, object]) -> None:
    line = json.dumps({"do": "diff", "base": "a" * 40, "files": files}).encode()
    with contextlib.suppress(ZedopsError):
        request = protocol.read(line)
        assert Edits.from_json(request).files.keys() == files.keys()


@pytest.mark.parametrize("line", [b"", b"[", b"[" * 100_000, b"7", b"null", b'"x"', b"{}",
                                  b'{"do": ["call"]}', b'{"do": "x"}', b"\xff", b"9" * 5000])
def test_what_is_no_request_is_refused_in_words(line: bytes) -> None:
    with pytest.raises(ZedopsError, match=r"no request|unknown request"):
        protocol.read(line)


PUSH = {"do": "pre-receive", "updates": [["0" * 40, "a" * 40, "refs/heads/main"]],
        "options": ["no-wait"], "env": {"GIT_OBJECT_DIRECTORY": "/hub/objects/x"}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("updates", [["0" * 40, "--output=/etc/passwd", "refs/heads/main"]]),
        ("updates", [["--all", "a" * 40, "refs/heads/main"]]),
        ("updates", [["0" * 40, "HEAD", "refs/heads/main"]]),
        ("updates", [["0" * 40, "a" * 40, "-main"]]),
        ("updates", [["0" * 40, "a" * 40, "refs/heads/a\nrefs/heads/b"]]),
        ("updates", [["0" * 40, "a" * 40]]),
        ("updates", "abc"),
        ("options", [1]),
        ("env", {"GIT_SSH_COMMAND": "touch /tmp/x"}),
        ("env", {"GIT_CONFIG_COUNT": "1"}),
        ("env", []),
    ],
)
def test_a_push_says_nothing_that_git_would_take_for_an_option(field: str, value: object) -> None:
    assert protocol.read(json.dumps(PUSH).encode()) == PUSH
    with pytest.raises(ZedopsError, match=f"cannot be used: {field}"):
        protocol.read(json.dumps({**PUSH, field: value}).encode())
