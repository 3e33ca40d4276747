"""Warnings: what is allowed and yet probably a mistake."""

from __future__ import annotations

import pytest

from tests.pure.fleets import doc
from tests.pure.spec.test_presets import fleet_with
from zedops.fleet.checks import check
from zedops.fleet.lint import advise, repository

_GRACE = "10 s is shorter than the 90 s that itzg/minecraft-server needs to save its world"


def warned(text: str, mine: str = "image: any\n") -> list[str]:
    """Say what a definition is warned about; it is refused for nothing."""
    fleet = fleet_with(doc("servers.d/a.yaml", text), mine=mine)
    assert check(fleet, fleet.documents) == []
    return [str(each) for each in advise(fleet, {"servers.d/a.yaml"})]


@pytest.mark.parametrize(
    "image",
    ["game: minecraft", "image: itzg/minecraft-server", "image: itzg/minecraft-server:java21",
     f"image: itzg/minecraft-server@sha256:{'0' * 64}"],
)
def test_a_grace_shorter_than_the_image_needs_is_warned_of_where_it_is_written(image: str) -> None:
    assert warned(f"{image}\nstop: {{grace: 10s}}\n") == [
        f"servers.d/a.yaml:2:8: stop.grace: {_GRACE}; write `stop: {{grace: 90s}}`"
    ]


@pytest.mark.parametrize(
    "text",
    ["game: minecraft\n", "image: itzg/minecraft-server\nstop: {grace: 90s}\n", "image: x\n",
     "game: minecraft\nimage: x\nstop: {grace: 1s}\n"],
)
def test_a_long_grace_and_images_that_nothing_is_known_of_are_not_warned_of(text: str) -> None:
    assert warned(text) == []


@pytest.mark.parametrize("memory", ["4G", "4096M", "5g", "5368709120"])
def test_a_heap_that_fills_the_memory_limit_is_warned_of(memory: str) -> None:
    assert warned(f"game: minecraft\nenv:\n  MEMORY: {memory}\n") == [
        (f"servers.d/a.yaml:3:3: env.MEMORY: {memory} leaves the game nothing beside its heap:"
         " the memory limit is 4.0 GiB; raise limits.memory, or lower this")
    ]


@pytest.mark.parametrize("line", ["env: {MEMORY: 3G}", "env: {MEMORY: 75%}",
                                  "env: {MEMORY: 8G, MAX_MEMORY: '1024'}",
                                  "env: {MEMORY: 8G}\nlimits: {memory: 10GiB}"])
def test_a_heap_that_fits_or_cannot_be_read_is_not_warned_of(line: str) -> None:
    found = warned(f"game: minecraft\n{line}\n")
    assert [each for each in found if "env.MAX_MEMORY" in each] == []
    assert found == [] or "MAX_MEMORY" in line


def test_a_fleets_own_preset_knows_its_image_too_and_counts_bare_numbers_as_it_says() -> None:
    own = "image: r.io:5000/g:1\npreset: {least_grace: 2m, heap: {RAM_GB: 1GiB}}\n"
    text = "image: r.io:5000/g:2\nlimits: {memory: 4GiB}\nenv: {RAM_GB: 4}\n"
    found = warned(text, mine=own)
    assert [each.split(": ")[1] for each in found] == ["stop.grace", "env.RAM_GB"]


def test_a_changed_preset_warns_about_the_servers_below_it() -> None:
    own = "image: x\npreset: {least_grace: 2m}\n"
    fleet = fleet_with(doc("servers.d/a.yaml", "game: mine\n"), mine=own)
    assert [each.path for each in advise(fleet, {"presets.d/mine.yaml"})] == ["servers.d/a.yaml"]


@pytest.mark.parametrize(
    ("image", "name"),
    [("a", "a"), ("a:1", "a"), ("r.io:5000/a/b:1", "r.io:5000/a/b"), ("a/b@sha256:00", "a/b"),
     ("r.io:5000/a:1@sha256:00", "r.io:5000/a")],
)
def test_an_images_name_is_cut_off_its_tag(image: str, name: str) -> None:
    assert repository(image) == name


def test_a_secret_in_plain_text_is_warned_of_and_not_repeated() -> None:
    found = warned("image: x\nenv:\n  RCON_PASSWORD: hunter2\n  MODE: hunter2\n")
    assert found == [
        ("servers.d/a.yaml:3:3: env.RCON_PASSWORD: looks like a secret, and everyone with a clone"
         " can read it; remove the line, then `zedops secret encrypt a RCON_PASSWORD` with a new"
         " one")
    ]


@pytest.mark.parametrize(
    "line",
    ["USE_PASSWORD: 'true'", "PASSWORD: ''", "PASSWORD_FILE: /run/secrets/PASSWORD",
     "RCON_PASSWORD: ${RCON_PASSWORD}", "ADMIN_PASSWORD: /run/secrets/ADMIN_PASSWORD", "KEYS: x"],
)
def test_what_only_sounds_like_a_secret_is_not_warned_of(line: str) -> None:
    assert warned(f"image: x\nenv:\n  {line}\n") == []
