"""What a push will do is told before it is done, or instead: by `zedops plan`, by `-o dry-run`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import docker
import pytest

from tests.machine import Machine, became
from tests.system.servers import add, begin, edit, home, runs, state, wait_begun, write

pytestmark = [pytest.mark.docker, pytest.mark.system]


def rows(machine: Machine) -> dict[str, tuple[str, str | None]]:
    """Ask for the plan; returns effect and data by server."""
    found = json.loads(machine.zedops("plan", "--json").stdout)
    return {each["server"]: (each["effect"], each["data"]) for each in found["servers"]
            if each["effect"] != "nothing"}


def test_a_plan_comes_true(fleet: Machine) -> None:
    kept, made, gone = (begin(fleet, f"plan-{each}") for each in ("kept", "made", "gone"))
    for each in (kept, made, gone):
        fleet.wait_for((home(fleet, each.stem) / "w" / "world.txt").exists)
    fleet.wait_for(lambda: fleet.state("plan-gone")["data_exists"])
    fleet.pull()
    before = {each.stem: runs(fleet, each.stem) for each in (kept, made)}
    add(fleet, kept, "drift: report")
    add(fleet, made, "env: {GREET: ben}")
    fleet.git("rm", "--quiet", str(gone))
    write(fleet, "plan-new", "env: {GREET: eve}")  # not the same as one that goes: no rename
    assert rows(fleet) == {
        "plan-kept": ("in place", None), "plan-made": ("recreate", "kept"),
        "plan-gone": ("delete", "kept for 24 h"), "plan-new": ("create", None),
    }
    assert "plan-made\trecreate\tkept\tenv.GREET: unset → ben" in fleet.zedops("plan").stdout
    said = fleet.push("what was planned")
    for line in ("plan-kept: in place (drift: unset → report)",
                 "plan-made: recreate (env.GREET: unset → ben), data kept",
                 "plan-gone: delete, data kept for 24 h", "plan-new: create"):
        assert f"remote: plan: {line}" in said, said
    assert became(said.partition("remote: plan: plan-new: create")[2], "plan-new", "running")
    assert runs(fleet, "plan-kept") == before["plan-kept"]
    assert runs(fleet, "plan-made") != before["plan-made"]
    wait_begun(fleet, "plan-new")  # the tests after this one look whether main stands still
    fleet.pull()
    assert "nothing changes" in fleet.zedops("plan").stdout


def test_a_dry_run_says_all_and_changes_nothing(fleet: Machine) -> None:
    path = begin(fleet, "dry")
    run, main = runs(fleet, "dry"), fleet.git("rev-parse", "main", cwd=fleet.hub)
    add(fleet, path, "env: {GREET: ben}")
    said = fleet.git("push", "-o", "dry-run", code=1)
    assert "remote: plan: dry: recreate (env.GREET: unset → ben)" in said
    told = [line for line in said.splitlines() if line.startswith("remote: ")]
    assert told[-1].rstrip() == "remote: dry run: nothing was changed"
    assert fleet.git("rev-parse", "main", cwd=fleet.hub) == main
    assert runs(fleet, "dry") == run

    edit(fleet, path, "image:", "imag:")
    said = fleet.git("push", "-o", "dry-run", code=1)
    assert "servers.d/dry.yaml:2:1: imag: unknown key; did you mean 'image'?" in said
    assert "remote: dry run: nothing was changed" in said
    refused = fleet.zedops("plan", "dry").stdout
    assert "dry\trefused" in refused
    assert "refused: servers.d/dry.yaml:2:1: imag: unknown key" in refused
    fleet.git("reset", "--quiet", "--hard", "origin/main")


def test_a_plan_of_a_clone_that_is_behind_takes_back_nothing_of_others(fleet: Machine) -> None:
    begin(fleet, "theirs")
    ben = fleet.folder / "ben-plans"
    fleet.zedops("clone", str(fleet.hub), str(ben), cwd=fleet.folder)
    add(fleet, fleet.clone / "servers.d/theirs.yaml", "drift: report")
    fleet.git("push")
    (ben / "servers.d/mine.yaml").write_text(f"image: {fleet.image}\ndesired: stopped\n")
    shown = fleet.zedops("plan", cwd=ben).stdout
    assert "mine\tcreate" in shown
    assert "theirs" not in shown
    assert "theirs" not in fleet.zedops("diff", cwd=ben).stdout
    fleet.pull()


def test_a_push_warns_and_is_taken_in(fleet: Machine) -> None:
    fleet.write("presets.d/slow.yaml", f"image: {fleet.image}\nstop: {{grace: 5s}}\n"
                                       "preset: {least_grace: 90s}\n")
    fleet.write("servers.d/hasty.yaml", "game: slow\n")
    warning = "servers.d/hasty.yaml:1:1: stop.grace: 5.0 s is shorter than the 90 s"
    assert f"warning: {warning}" in fleet.zedops("validate").stdout
    assert f"warning: {warning}" in fleet.zedops("plan").stdout
    said = fleet.push("in haste")
    assert f"remote: warning: {warning}" in said
    assert became(said, "hasty", "running")
    fleet.pull()


@pytest.fixture
def forgetful(docker_api: docker.APIClient, image: str) -> Iterator[str]:
    """Make an image that declares a volume of its own."""
    name = f"zedops-test-{uuid.uuid4().hex[:8]}"
    made = docker_api.create_container(image)
    docker_api.commit(made["Id"], repository=name, tag="1", changes=["VOLUME /precious"])
    docker_api.remove_container(made["Id"])
    yield f"{name}:1"
    docker_api.remove_image(f"{name}:1", force=True)


def test_an_images_volume_that_no_mount_covers_is_told_in_the_state(
    fleet: Machine, forgetful: str
) -> None:
    nameless = set()
    try:
        path = begin(fleet, "forgets", image=forgetful)
        facts = fleet.container("forgets")
        assert facts is not None
        nameless = {each["Name"] for each in facts["Mounts"] if each["Type"] == "volume"}
        assert len(nameless) == 1
        told = "the image keeps /precious in a nameless volume that the next container does not get"
        assert str(state(fleet, "forgets")["message"]).startswith(told)
        edit(fleet, path, "volumes: {w: /data}", "volumes: {w: /data, p: /precious}")
        assert told not in fleet.git("push")
        fleet.wait_for(lambda: state(fleet, "forgets")["message"] is None)
    finally:
        fleet.zedops("delete", "forgets", "--yes", "--wait")
        for each in nameless:
            fleet.api.remove_volume(each)
        fleet.pull()
