"""`zedops edit`: what a person wrote is checked, pushed, or kept; never lost, never half-done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.git.people import Person
from zedops.hub.hub import Hub

A = "servers.d/a.yaml"
TEXT = "image: a  # mine\nstop: {grace: 5s}\nenv: {MOOD: bad}\n"


@pytest.fixture
def ada(hub: Hub, tmp_path: Path) -> Person:
    """Give Ada a clone, with a fleet of one server pushed."""
    ada = Person(hub, tmp_path / "ada", "Ada")
    ada.begin({"zedops.yaml": "name: fleet\n", A: TEXT, "servers.d/b.yaml": "image: b\n"})
    return ada


def edit(
    ada: Person, editor: str, *options: str, answers: str = "", code: int = 0
) -> tuple[str, str]:
    """Run `zedops edit a` with an editor; returns both streams."""
    env = {**os.environ, "VISUAL": editor, "TMPDIR": str(ada.folder.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "zedops", "edit", "a", *options], cwd=ada.folder, env=env,
        input=answers, capture_output=True, text=True, check=False, timeout=120,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout, done.stderr


def kept(ada: Person) -> list[str]:
    """Read the texts that were kept."""
    return [each.read_text() for each in ada.folder.parent.glob("zedops-edit-*/a.yaml")]


def test_an_edit_is_checked_shown_and_pushed(hub: Hub, ada: Person) -> None:
    said, _ = edit(ada, "sed -i '1s/image: a/image: c/'", "-m", "a: new image", answers="y\n")
    assert re.search(r"^a\t\w+", said, re.MULTILINE), said
    assert hub.repository.run("show", f"main:{A}").startswith("image: c  # mine\n")
    assert hub.repository.run("log", "-1", "--format=%an|%s", "main") == "Ada|a: new image"
    assert kept(ada) == []


def test_a_failed_editor_and_an_unchanged_text_change_nothing(hub: Hub, ada: Person) -> None:
    before = hub.head()
    assert edit(ada, "true") == ("a is unchanged\n", "")
    assert "the editor (false) ended with code 1" in edit(ada, "false", code=1)[1]
    assert kept(ada) == []
    said = edit(ada, "sh -c 'echo more >> \"$0\"; exit 3'", code=1)[1]
    assert "ended with code 3" in said
    assert kept(ada) == [f"{TEXT}more\n"]
    assert hub.head() == before


def test_a_refused_text_can_be_edited_again_and_is_kept(hub: Hub, ada: Person) -> None:
    before = hub.head()
    said, errors = edit(ada, "sed -i s/image:/imag:/", answers="n\n", code=1)
    assert f"{A}:1:1: imag: " in said
    assert "did you mean 'image'?" in said
    (text,) = kept(ada)
    assert text == TEXT.replace("image", "imag")
    assert "your text is kept in " in errors
    assert hub.head() == before
    # the second run of the editor corrects what the first one wrote
    twice = "sed -i -e '/^image:/{s//imag:/;b}' -e 's/^imag: a/image: c/'"
    edit(ada, twice, "--yes", answers="y\n")
    assert hub.repository.run("show", f"main:{A}").startswith("image: c  # mine\n")


def test_what_another_person_pushed_meanwhile_is_not_undone(hub: Hub, ada: Person) -> None:
    ben = Person(hub, ada.folder.parent / "ben", "Ben")
    push = f"git -C {ben.folder} commit -qam ben && git -C {ben.folder} push -q"
    behind = f"git -C {ada.folder} fetch -q"
    ben.write(A, TEXT.replace("bad", "good"))
    edit(ada, f"sh -c '{push}; {behind}; sed -i s/mine/hers/ \"$0\"'", "--yes")
    text = hub.repository.run("show", f"main:{A}")
    assert "# hers" in text
    assert "MOOD: good" in text


def test_a_conflict_keeps_the_text(hub: Hub, ada: Person) -> None:
    ben = Person(hub, ada.folder.parent / "ben", "Ben")
    push = f"git -C {ben.folder} commit -qam ben && git -C {ben.folder} push -q"
    ben.write(A, TEXT.replace("image: a", "image: ben"))
    _, errors = edit(ada, f"sh -c '{push}; sed -i s/image:.a/image:\\ ada/ \"$0\"'", "--yes",
                     code=1)
    assert A in errors
    assert kept(ada) == [TEXT.replace("image: a", "image: ada")]
    assert "image: ben" in hub.repository.run("show", f"main:{A}")


def test_an_answer_of_no_pushes_nothing(hub: Hub, ada: Person) -> None:
    before = hub.head()
    assert "nothing is pushed" in edit(ada, "sed -i s/mine/hers/", answers="n\n", code=1)[1]
    assert kept(ada) == [TEXT.replace("mine", "hers")]
    assert hub.head() == before
