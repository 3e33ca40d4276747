"""What other people and containers wrote is shown on a terminal, and never obeyed by it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.git.people import Person
from zedops.cli.output import printable
from zedops.hub.hub import Hub

TITLE = "\x1b]0;pwned\x07"
SERVER = "servers.d/a.yaml"


@pytest.fixture(scope="module")
def eve(tmp_path_factory: pytest.TempPathFactory) -> Person:
    folder = tmp_path_factory.mktemp("screens")
    eve = Person(Hub.create(folder / "fleet.git"), folder / "eve", "Eve")
    eve.commit({"zedops.yaml": "name: fleet\n", SERVER: (
        "image: a\n\n# --- state: written by zedops; edits below this line are overwritten\n"
        'state:\n  id: "0000000000ABCDEFGHJKMNPQRS"\n  status: failed\n'
        '  host: "[link=x]\\u202elocal"\n  message: "last words: \\e]0;pwned\\a \\u009b2J"\n'
    )}, "begin")  # fmt: skip
    eve.git("config", "user.name", f"Mal\x02zedops@localhost\x02{TITLE}\x01ory")
    eve.write(SERVER, eve.read(SERVER).replace("image: a", "image: b"))
    eve.git("commit", "-qam", f"a \x03\x01\x02 subject {TITLE}\n\nbody\x01\x02\x03\n")
    eve.push()
    eve.git("fetch", "-q")
    return eve


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """Run zedops with a real terminal for its output; returns what the terminal got."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "300"}
    with subprocess.Popen([sys.executable, "-m", "zedops", *arguments], cwd=folder, stdout=follower,
                          stderr=follower, stdin=subprocess.DEVNULL, env=environment) as process:
        os.close(follower)
        said = b""
        while piece := _read(leader):
            said += piece
        assert process.wait(timeout=60) in (0, 2)
    os.close(leader)
    return said.decode()


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 1 << 16)
    except OSError:  # how Linux says that nobody writes any more (pty(7))
        return b""


@pytest.mark.parametrize("asked", [
    ["list"], ["show", "a"], ["history"], ["history", "a"], ["list", "--json"],
    ["show", "a", "--json"], ["history", "--json"], ["show", f"a{TITLE}"],
])  # fmt: skip
def test_nothing_reaches_a_terminal_that_it_would_obey(eve: Person, asked: list[str]) -> None:
    said = on_a_terminal(eve.folder, *asked)
    assert "pwned" in said
    shown = said.replace("\r\n", "\n")
    assert all(c.isprintable() or c == "\n" for c in shown), ascii(shown)


def test_a_name_cannot_pass_for_another_field_of_the_history(eve: Person) -> None:
    done = subprocess.run([sys.executable, "-m", "zedops", "history", "--json"], cwd=eve.folder,
                          capture_output=True, text=True, check=True, timeout=60)
    entries = json.loads(done.stdout)
    assert len(entries) == 2
    assert entries[0]["what"] == "begin"
    newest = entries[1]
    assert newest["who"].startswith("Mal\x02zedops@localhost\x02")
    assert newest["what"].startswith("a \x03\x01\x02 subject")
    assert (newest["servers"], newest["transitions"]) == (["a"], [])


@given(st.text())
def test_what_is_shown_is_printable_and_text_stays_text(text: str) -> None:
    shown = printable(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    if text.isprintable():
        assert shown == text


def test_colours_of_logs_go_and_other_sequences_are_named() -> None:
    assert printable("\x1b[1;31mred\x1b[0m\r\nnext\x1b[2J") == "red\nnext\\x1b[2J"
