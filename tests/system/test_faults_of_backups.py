"""zedops dies at every point of a backup and of a restore: no world is lost, each is made once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.machine import Machine
from tests.system.servers import LOOP, begin, command, is_running, state, write
from tests.system.walks import met
from zedops.spec.backup import read_last
from zedops_agent.observed import PROOF

pytestmark = [
    pytest.mark.docker, pytest.mark.system, pytest.mark.timeout(400),
    pytest.mark.usefixtures("restic"),
]

NAME = "walked"
#: One backup dies at each of these, and so does one restore.
BACKED_UP = (
    "backup.noted", "backup.keyed", "backup.repository", "step.OpenBackup", "backup.held",
    "step.HoldWrites", "backup.made", "step.BackUp", "backup.released", "step.ReleaseWrites",
    "backup.ended",
)
RESTORED = (
    "restore.chosen", "restore.fetched", "step.FetchWorld", "restore.aside", "restore.placed",
    "step.SwapWorld", "step.EndRestore", "restore.swept", "step.SweepWorlds",
)
#: Those until a new server has its world; what follows is as in every restore.
BROUGHT = RESTORED[: RESTORED.index("step.SwapWorld") + 1]
PUT_BACK = ("restore.turned", "restore.removed", "restore.returned", "step.PutBack")
#: A backup that died at `backup.ended` has no more steps: another one dies here.
ENDED = ("step.EndBackup",)

PROVED = (
    "proof.begun", "proof.fetched", "proof.created", "proof.started", "proof.judged",
    "proof.cleared",
)

BEGIN = "[ -e /data/bad ] && exit 1; echo started >> /data/world.txt; "
HELD = (
    "backup:\n  quiesce:\n    before: ['echo off >> /data/log']\n"
    "    after: ['echo on >> /data/log']"
)


@pytest.fixture
def walked(fleet: Machine) -> Machine:
    """Have a server with a world and no repository; a former world is kept for a second only."""
    fleet.down()
    shutil.rmtree(fleet.data_root / "backups", ignore_errors=True)
    fleet.up()
    fleet.write("zedops.yaml", f"name: {fleet.fleet}\nretention: 1s\n")
    begin(fleet, NAME, command(BEGIN + LOOP), HELD)
    fleet.wait_for((world(fleet) / "world.txt").exists)
    (world(fleet) / "kept").write_text("before")
    return fleet


def world(fleet: Machine) -> Path:
    """Say where the world is."""
    return fleet.data_root / "servers" / str(state(fleet, NAME)["id"]) / "w"


def die_at(
    fleet: Machine, points: tuple[str, ...], act: Callable[[], object],
    is_done: Callable[[], object], name: str = NAME,
) -> None:
    """Do something, and kill zedops at each of some points on the way, once."""
    orders = fleet.folder / "orders"
    left = [f"{point}@{name}:kill" for point in points]
    fleet.down()
    orders.write_text("\n".join(left))
    fleet.up(str(orders))
    act()
    while left:
        fleet.wait_for(lambda: fleet.died, 60)
        last = Path(f"{orders}.met").read_text().split()[-1]
        left.remove(f"{last}:kill")
        orders.write_text("\n".join(left))
        fleet.down(kill=True)
        fleet.up(str(orders))
    fleet.wait_for(is_done, 60)
    assert {f"{point}@{name}" for point in points} <= met(orders)
    Path(f"{orders}.met").unlink()
    fleet.wait_for(lambda: is_running(fleet, name))


def is_answered(fleet: Machine, before: object) -> bool:
    """Say whether git tells a state of a newer commit than before."""
    now = state(fleet, NAME)
    return bool(now["commit"] != before and now["status"] == "running")


@pytest.mark.long
def test_a_backup_that_dies_everywhere_is_made_once_and_lets_the_server_write_again(
    walked: Machine
) -> None:
    before = state(walked, NAME)["commit"]
    die_at(walked, BACKED_UP, lambda: walked.zedops("backup", NAME),
           lambda: is_answered(walked, before))
    made, = json.loads(walked.zedops("backups", NAME, "--json").stdout)
    assert read_last(str(state(walked, NAME)["backup"])).snapshot == made["id"]
    said = (world(walked) / "log").read_text().split()
    assert "off" in said
    assert said[-1] == "on"
    assert (world(walked) / "kept").read_text() == "before"


@pytest.mark.long
def test_a_proof_that_dies_everywhere_is_told_once_and_leaves_nothing(walked: Machine) -> None:
    path = walked.clone / f"servers.d/{NAME}.yaml"
    health = "health: {test: [CMD-SHELL, '[ -e /data/kept ]'], interval: 1s}\n"
    path.write_text(health + path.read_text().replace("quiesce:\n", "quiesce: none\n", 1)
                    .replace("    before: ['echo off >> /data/log']\n", "")
                    .replace("    after: ['echo on >> /data/log']\n", ""))
    walked.push("checked")
    walked.zedops("backup", NAME, "--wait")
    before = (world(walked) / "world.txt").read_text()

    def proven() -> str | None:
        return read_last(str(state(walked, NAME)["backup"])).proven

    die_at(walked, PROVED, lambda: walked.zedops("backup", "prove", NAME), proven)
    made, = json.loads(walked.zedops("backups", NAME, "--json").stdout)
    assert proven() == made["id"]
    assert (world(walked) / "world.txt").read_text() == before
    scratch = walked.data_root / "backups" / walked.fleet / "proof"
    walked.wait_for(lambda: not list(scratch.iterdir()))
    assert not walked.api.containers(all=True, filters={"label": f"{PROOF}={scratch}"})


def test_a_restore_that_dies_everywhere_ends_with_the_restored_world(walked: Machine) -> None:
    walked.zedops("backup", NAME, "--wait")
    kept = world(walked) / "kept"
    kept.write_text("after")
    home = world(walked).parent
    die_at(walked, RESTORED, lambda: walked.zedops("backup", "restore", NAME, "--yes"),
           lambda: kept.read_text() == "before" and not list(home.glob(".world-*")))
    assert state(walked, NAME)["message"] is None


def test_a_new_server_never_starts_before_it_has_the_world_of_its_snapshot(
    walked: Machine
) -> None:
    walked.zedops("backup", NAME, "--wait")
    told = command("[ -e /data/kept ] || echo empty; " + LOOP)
    source = f"world: {{of: {state(walked, NAME)['id']}, restore: latest}}"

    def push() -> None:
        write(walked, "grown", told, source)
        walked.push("grown: begin")

    die_at(walked, BROUGHT, push, lambda: is_running(walked, "grown"), "grown")
    facts = walked.container("grown")
    assert facts is not None
    assert walked.api.logs(facts["Id"]) == b""


@pytest.mark.long
def test_a_failed_restore_that_dies_everywhere_ends_with_the_former_world(
    walked: Machine
) -> None:
    bad, kept = world(walked) / "bad", world(walked) / "kept"
    bad.write_text("x")
    before = state(walked, NAME)["commit"]
    die_at(walked, ENDED, lambda: walked.zedops("backup", NAME),
           lambda: is_answered(walked, before))
    bad.unlink()
    kept.write_text("after")
    die_at(walked, PUT_BACK, lambda: walked.zedops("backup", "restore", NAME, "--yes"),
           lambda: "the former world is back" in str(state(walked, NAME)["message"]))
    assert kept.read_text() == "after"
    assert not bad.exists()
