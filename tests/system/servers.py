"""What happens to one server among others, as a person sees it. For tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.machine import Machine, became

#: Waits for its end and ends at once when told to; what comes before the loop is up to the test.
LOOP = "trap 'exit 0' TERM; while :; do /bin/busybox sleep 1 & wait $!; done"


def write(machine: Machine, name: str, *lines: str, image: str | None = None) -> Path:
    """Write a definition with a world; returns its file."""
    volumes = [] if any(each.startswith("volumes:") for each in lines) else ["volumes: {w: /data}"]
    text = [f"image: {image or machine.image}", "stop: {grace: 5s}", *volumes, *lines]
    machine.write(f"servers.d/{name}.yaml", "\n".join(text) + "\n")
    return machine.clone / f"servers.d/{name}.yaml"


def begin(machine: Machine, name: str, *lines: str, image: str | None = None) -> Path:
    """Push a new server and wait until it runs; returns its file, with its state.

    The usual one writes into its world when it begins. Whether that is told with its start or by
    a commit of its own is a matter of milliseconds: nobody shall meet that commit later.
    """
    path = write(machine, name, *lines, image=image)
    said = machine.push(f"{name}: begin")
    assert became(said, name, "running"), said
    if not any(each.startswith(("command:", "volumes:")) for each in lines):
        wait_begun(machine, name)
    machine.pull()
    return path


def command(script: str) -> str:
    """Write the line of a definition that runs a script."""
    return f"command: {json.dumps(['/bin/sh', '-c', script])}"


def edit(machine: Machine, path: Path, old: str, new: str) -> None:
    """Change some words of a file and commit that."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    machine.git("commit", "--quiet", "--all", "-m", f"{path.stem}: {old} to {new}")


def add(machine: Machine, path: Path, line: str) -> None:
    """Put a line on top of a file and commit that."""
    path.write_text(f"{line}\n{path.read_text()}")
    machine.git("commit", "--quiet", "--all", "-m", f"{path.stem}: {line}")


def runs(machine: Machine, name: str) -> tuple[str, str]:
    """Identify a server's run, once it runs: another container or another start is another one."""

    def look() -> tuple[str, str] | None:
        facts = machine.container(name)  # one look: the next one may be at another container
        if facts is None or not facts["State"]["Running"]:
            return None
        return facts["Id"], facts["State"]["StartedAt"]

    found = machine.wait_for(look)
    assert found is not None
    return found


def is_running(machine: Machine, name: str) -> bool:
    """Say whether a server's container runs."""
    facts = machine.container(name)
    return facts is not None and bool(facts["State"]["Running"])


def mine(machine: Machine, name: str) -> list[dict[str, Any]]:
    """List every container of one server, whatever its name."""
    label = f"zedops.server.name={name}"
    return [each for each in machine.containers() if label in _labels(each)]


def _labels(container: dict[str, Any]) -> set[str]:
    return {f"{key}={value}" for key, value in container["Labels"].items()}


def told(machine: Machine, name: str) -> list[str]:
    """List what the history says of a server, oldest first."""
    entries = json.loads(machine.zedops("history", name, "--json").stdout)
    return [each["what"] for each in entries]


def state(machine: Machine, name: str) -> dict[str, Any]:
    """Read a server's state in the hub with git alone, which costs less than a command."""
    for folder in ("servers.d", "tombstones.d"):
        text = machine.git("show", f"main:{folder}/{name}.yaml", cwd=machine.hub, code=None)
        if not text.startswith("fatal:"):
            below = text.rpartition("# --- state:")[2].partition("\n")[2]
            found: dict[str, Any] = (yaml.safe_load(below) or {"state": {}})["state"]
            return found
    return {}


def wait_status(machine: Machine, name: str, status: str) -> dict[str, Any]:
    """Wait until git says that a server is so; returns all it says."""
    machine.wait_for(lambda: state(machine, name).get("status") == status)
    return state(machine, name)


def wait_begun(machine: Machine, name: str) -> None:
    """Wait until git says that a server runs and has data: there is nothing more to tell of it."""
    machine.wait_for(
        lambda: (facts := state(machine, name)).get("status") == "running"
        and facts.get("data_exists")
    )


def home(machine: Machine, name: str) -> Path:
    """Say where a server's volumes are."""
    server_id: str = state(machine, name)["id"]
    return machine.data_root / "servers" / server_id


def starts(machine: Machine, name: str) -> int:
    """Count how often a server of the usual image began in its world; it writes that down late.

    The Engine says that it runs before its first line was read.
    """
    path = home(machine, name) / "w" / "world.txt"
    return path.read_text().count("started") if path.exists() else 0


def wait_starts(machine: Machine, name: str, count: int) -> None:
    """Wait until a server has begun so often, and see that it has not begun more often."""
    machine.wait_for(lambda: starts(machine, name) >= count)
    assert starts(machine, name) == count
