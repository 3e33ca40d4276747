"""Two people push in turn while the manager commits: nobody is refused, nothing is lost."""

from __future__ import annotations

import pytest

from tests.machine import Machine

pytestmark = [pytest.mark.docker, pytest.mark.system]

PUSHES = 80
#: Each person edits this many servers of their own, made only once each and never started.
SERVERS = 4


@pytest.mark.timeout(300)
def test_many_pushes_of_two_clones_that_are_always_behind(machine: Machine) -> None:
    machine.init()
    machine.up()
    people = {"ann": machine.clone, "ben": machine.folder / "ben"}
    machine.zedops("clone", str(machine.hub), str(people["ben"]), cwd=machine.folder)
    asked = []
    for count in range(PUSHES):
        who = "ann" if count % 2 else "ben"
        clone = people[who]
        name = f"{who}-{count // 2 % SERVERS}"
        path = clone / "servers.d" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text(f"image: {machine.image}\ndesired: stopped\nenv:\n  N: -1\n")
        # behind by the other's pushes and by the manager's commits, as people are
        head, _, state = path.read_text().partition("  N: ")
        path.write_text(f"{head}  N: {count}\n" + state.partition("\n")[2])
        machine.git("add", "--all", cwd=clone)
        machine.git("commit", "--quiet", "-m", f"{name}: {count}", cwd=clone)
        asked.append(machine.git("rev-parse", "HEAD", cwd=clone).strip())
        said = machine.git("push", "-o", "no-wait", cwd=clone)
        assert "rejected" not in said
        machine.git("pull", "--quiet", "--ff-only", cwd=clone)

    kept = set(machine.git("rev-list", "main", cwd=machine.hub).split())
    assert [commit for commit in asked if commit not in kept] == []
    machine.wait_for(lambda: _settled(machine), deadline_s=60)
    machine.pull()
    for who in people:
        for number in range(SERVERS):
            text = (machine.clone / f"servers.d/{who}-{number}.yaml").read_text()
            last = max(n for n in range(PUSHES) if n % 2 == (who == "ann")
                       and n // 2 % SERVERS == number)
            assert f"  N: {last}\n" in text
    assert len(machine.containers()) == 2 * SERVERS
    robot = machine.git("log", "--format=%s", "--author=zedops", "main", cwd=machine.hub)
    assert len(robot.splitlines()) >= 2 * SERVERS
    machine.check_hub()


def _settled(machine: Machine) -> bool:
    """Every server was made from its newest definition, and superseded containers are gone."""
    facts = [machine.state(f"{who}-{n}") for who in ("ann", "ben") for n in range(SERVERS)]
    if any(each["status"] != "stopped" for each in facts):
        return False
    return len(machine.containers()) == 2 * SERVERS
