"""Files made to hurt: each is read within a second and 64 MB, and what is wrong is said."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zedops.fleet.checks import check
from zedops.fleet.fleet import Fleet, read_settings
from zedops.spec.document import parse
from zedops.spec.layout import MAX_BYTES

PATH = "servers.d/a.yaml"
#: A second on a calm machine; where cores are shared the same work counts as up to twice that.
MOST_S, MOST_BYTES = 2.5, 64 << 20
LONG = "y" * 100_000

HOSTILE = {
    "unknown keys": "".join(f"k{at}:\n" for at in range(30_000)),
    "variables without values": f"env: {{{','.join(f'a{at}' for at in range(30_000))}}}\n",
    "ports": "ports:\n" + "".join(f"  p{at}: {at}\n" for at in range(1, 12_000)),
    "ports out of range": "ports:\n" + "".join(f"  p{at}: 7{at:05}\n" for at in range(12_000)),
    "volumes": "volumes:\n" + "".join(f"  p{at}: /p{at}\n" for at in range(9_000)),
    "references": "ports:\n" + "".join(f"  p{at}: {at}\n" for at in range(1, 5_000))
    + "env:\n  A: " + "${ports.q}" * 15_000,
    "anchored text": f"labels:\n  x: &a {LONG}\nenv:\n" + "  K: *a\n" * 10_000,
    "anchored variables": f"labels:\n  x: &a {LONG}\nenv:\n"
    + "".join(f"  K{at}: *a\n" for at in range(9_000)),
    "an anchored list": f"hostname: &a {LONG}\nhost: [{','.join(['*a'] * 19_000)}]\n",
    "laughs": "".join(f"x{at}: &x{at} [{','.join([f'*x{at - 1}'] * 9)}]\n" if at else
                      "x0: &x0 [lol]\n" for at in range(12)),
    "merges": f"a: &a {{{','.join(f'k{at}: 1' for at in range(1_000))}}}\nx:\n"
    + "  - {<<: *a}\n" * 9_000,
    "anchored keys that are written twice":
        f"a: &a {{{','.join(['x'] * 30_000)}}}\nb: [{','.join(['*a'] * 30_000)}]\n",
    "anchored keys that are no text":
        f"a: &a {{{','.join(['? [] : 1'] * 10_000)}}}\nb: [{','.join(['*a'] * 30_000)}]\n",
    "words": "command: " + "a " * 120_000,
    "one word": f'command: "{"a" * 240_000}"\n',
    "a long value": "host: " + "A" * 250_000,
    "a long key": "? " + "a" * 250_000 + "\n: 1\n",
    "open lists": "x: " + "[" * 200_000,
    "open keys": "? " * 100_000,
    "dashes": "x:\n" + "- " * 100_000,
    "anchors": f"x: [{','.join(f'&a{at} 1' for at in range(20_000))}]\n",
    "digits": "restart: " + "9" * 200_000 + "\nlimits: {memory: " + "9" * 10_000 + "g}\n",
    "durations": "stop: {grace: " + "1h" * 100_000 + "}\n",
    "escapes": 'hostname: "' + "\\x1b" * 50_000 + '"\n',
    "markers": "# --- state: written by zedops\n" * 7_000,
    "blank lines": "\n" * 200_000 + "host: x\n",
    "aliases to itself": "x: &x [*x, *x]\n",
}  # fmt: skip

def everything(text: str) -> list[str]:
    """Read a file and hold it against every rule, as a push does."""
    document = parse(PATH, f"image: a\n{text}".encode()[:MAX_BYTES])
    fleet = Fleet(documents={PATH: document})
    fleet.resolve(document)
    return [str(each) for each in check(fleet, {PATH})]

@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_read_in_time(name: str) -> None:
    begun = time.thread_time()
    said = everything(HOSTILE[name])
    assert time.thread_time() - begun < MOST_S
    assert len(said) < 1000
    assert all(len(each) < 2000 for each in said)

def test_two_files_that_want_the_same_thousands_of_ports_are_told_apart_in_time() -> None:
    text = f"image: a\n{HOSTILE['ports']}".encode()
    paths = ("servers.d/a.yaml", "servers.d/b.yaml")
    fleet = Fleet(documents={path: parse(path, text) for path in paths})
    begun = time.thread_time()
    said = check(fleet, set(paths))
    assert time.thread_time() - begun < 2 * MOST_S
    assert "host port 1/tcp is also used by 'b' (servers.d/b.yaml:3)" in str(said[0])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_needs_little_memory(name: str) -> None:
    tracemalloc.start()
    try:
        everything(HOSTILE[name])
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()

_PIECES = st.sampled_from([
    "image", "ports", "env", "secrets", "volumes", "health", "stop", "limits", ": ", ":\n  ", "\n",
    "[", "]", "{", "}", ", ", "- ", "&a ", "*a", "<<: ", "!!str ", "!x ", "| \n", ">-\n ", "'", '"',
    "\\", "${ports.", "${server.name}", "~", "null", "1e9", ".inf", "0x1", "../", "/", "-", "--x",
    "\x1b[31m", "\x00", "\u202e", "\ufeff", "\u2028", "\r", "\t", "%YAML 1.1\n", "---\n", "...\n",
    "state:\n", "# --- state: written by zedops\n", "age:", "9" * 30, "é", "🎮", "#", "?", "@", "`",
])  # fmt: skip

@given(st.lists(_PIECES, max_size=60).map("".join))
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    said = everything(text)
    assert all(each.isprintable() for each in said), said
    read_settings(text.encode(), "f")

@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange_to_be_read(raw: bytes) -> None:
    document = parse(PATH, raw)
    assert document.definition is None or not document.problems
    assert all(str(each).isprintable() for each in document.problems)
    settings, problems = read_settings(raw, "f")
    assert settings.name
    assert all(str(each).isprintable() for each in problems)

_BAD_NAMES = ["../a", "-a", "a b", "a\x1b", "..", ".", "A", "a/b", "a\n", "-", "", "a" * 64, "ä",
              "a\u202eb", "--help", "a*", "$(x)"]  # fmt: skip

@pytest.mark.parametrize("name", _BAD_NAMES)
@pytest.mark.parametrize("field", ["host: {}", "ports: {{{}: 1}}", "volumes: {{{}: /data}}",
                                   "adopt: {}", "networks: [{}]", "hostname: {}", "user: {}"])
def test_names_that_lead_elsewhere_are_refused_or_only_text(name: str, field: str) -> None:
    quoted = '"' + name.replace("\x1b", "\\e").replace("\n", "\\n").replace("\u202e", "\\u202e")
    document = parse(PATH, f"image: a\n{field.format(quoted + chr(34))}\n".encode())
    if document.definition is not None:
        # a leading dash is an option to nobody: it goes to the Engine in JSON
        assert field.startswith(("adopt", "networks", "hostname", "user")) or not name
    assert all(str(each).isprintable() for each in document.problems)
