"""What a hook and the manager say to each other, and that an answer cut short takes nothing in."""

from __future__ import annotations

import io
import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zedops.hub import hook

ID = "a" * 40
REF = "refs/for/main"
PUSH = {"do": "proc-receive", "updates": [[ID, ID, REF], [ID, ID, "refs/for/x"]], "options": []}

TEXTS = st.recursive(
    st.text(st.characters()), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(TEXTS)
def test_a_request_is_json_whatever_is_in_it(value: Any) -> None:
    assert json.loads(hook.as_json(value)) == value
    assert hook.as_json(value).isascii()


@given(st.binary())
def test_a_path_that_is_no_utf_8_arrives_as_it_was(raw: bytes) -> None:
    said = hook.as_json([raw.decode("utf-8", "surrogateescape")])
    assert json.loads(said)[0].encode("utf-8", "surrogateescape") == raw


def verdicts(name: str, said: bytes) -> tuple[int, str, str]:
    """Give a hook an answer; returns its exit code, what it tells git, what the person sees."""
    told, shown = io.BytesIO(), io.BytesIO()
    call = hook.Call(name, {}, io.BytesIO(), told, shown)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        code = call.respond(PUSH, hook.ask(ours, PUSH, call.say))
    return code, told.getvalue().decode(), shown.getvalue().decode()


@pytest.mark.parametrize("said", [
    b"", b"say checked", b"say checked\n", b"exit", b"exit 0", b"exit x\n", b"exit 1\n", b"\xff\n",
    b'{"answer": {"exit": 0}}\n',
])
def test_an_answer_that_does_not_say_so_takes_nothing_in(said: bytes) -> None:
    assert verdicts("pre-receive", said)[0] == 1
    told = verdicts("proc-receive", said)[1]
    assert f"ng {REF} " in told
    assert "ok " not in told


def test_an_answer_takes_in_what_it_does_not_refuse() -> None:
    said = b"say rosewood: \xe2\x9c\x93 \x1b[2J\nrefused refs/for/x it is no branch\nexit 0\n"
    assert verdicts("pre-receive", said)[0] == 0
    _, told, shown = verdicts("proc-receive", said)
    assert f"ok {REF}\n" in told
    assert "ng refs/for/x it is no branch\n" in told
    assert "rosewood: ✓ \\x1b[2J" in shown
