"""A pasted compose file or `docker run` line: the text is all that is read."""

from __future__ import annotations

import pytest

from zedops.errors import UsageError
from zedops.scaffold.imported import write
from zedops.web.imports import read

COMPOSE = """
services:
  Web_1:
    image: app:${HOME:-none}
    environment: {DB_PASSWORD: hunter2-hunter2, MOOD: good}
    volumes: ["/srv/web:/data"]
"""


def test_nothing_of_this_machine_gets_into_a_definition() -> None:
    (found,), _ = read(COMPOSE, "")
    text = write(found, None)
    assert "image: app:none" in text
    assert "hunter2" not in text + repr(found)
    assert found.secrets == {"DB_PASSWORD": "hunter2-hunter2"}
    assert (found.name, found.refused) == ("web-1", [])
    (other,), _ = read("services: {a: {image: x, env_file: /etc/hostname}}", "")
    assert other.refused == ["env_file: /etc/hostname cannot be read"]


def test_a_relative_path_needs_the_directory_of_the_file() -> None:
    text = "services:\n  a: {image: x, volumes: ['./d:/d', 'n:/n']}\nvolumes: {n: {}}"
    (found,), _ = read(text, "")
    assert found.refused == ["its volumes depend on the directory of the compose file; name it"]
    (found,), _ = read(text, "/srv/game/")
    volumes = found.fields["volumes"]
    assert [each["source"] for each in volumes.values()] == ["/srv/game/d", "game_n"]
    with pytest.raises(UsageError, match="no absolute path"):
        read(text, "srv")


def test_a_line_of_docker_run_is_known_by_its_words() -> None:
    (found,), _ = read("$ sudo docker run -d --name Moor \\\r\n -e A=1 -p 80:80 nginx:1", "")
    assert (found.name, found.fields["image"]) == ("moor", "nginx:1")
    assert found.fields["env"] == {"A": "1"}


@pytest.mark.parametrize("text", [
    "", "hello", "services: [", "services: {a: 1}", "docker run", "services: &a {b: *a}",
    "services: " + "[" * 100_000, "\0", "x" * 300_000, "docker run 'open",
    "services: {a-b: {image: x}, a_b: {image: x}}",
])  # fmt: skip
def test_other_texts_are_refused_in_words(text: str) -> None:
    try:
        found, _ = read(text, "/srv/a")
    except UsageError:
        return
    assert all(each.refused for each in found)
