"""What the door answers to those who only look: the fleet as git has it, and what hosts say.

It is in memory here; a command that reads it itself takes longer, the more the larger it is.
"""

from __future__ import annotations

from typing import Any

from zedops import looks, rows
from zedops.bus import Bus
from zedops.errors import ZedopsError
from zedops.fleet import Fleet
from zedops.manager.loop import Manager

#: The questions that are answered here.
LOOKS = ("list", "list-at", "show", "ports", "orphans")


def answer(manager: Manager, bus: Bus, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a look. ZedopsError where the question makes no sense in this fleet."""
    fleet = manager.as_committed()
    match request["do"]:
        case "list":
            return {"rows": rows.rows(fleet, buried=request["buried"])}
        case "list-at":
            past = _past(manager, fleet, request["at"])
            return {"rows": rows.rows(past, buried=request["buried"])}
        case "show":
            return {"row": _show(fleet, request["server"])}
        case "ports":
            taken, silent = looks.taken_ports(fleet, request["host"], bus.call)
            return {"rows": taken, "silent": silent}
        case "orphans":
            found, silent = looks.orphans(fleet, request["host"], bus.call)
            return {"rows": [vars(each) for each in found], "silent": silent}
        case other:
            raise ZedopsError(f"unknown request {other!r}")


def _past(manager: Manager, fleet: Fleet, commit: str) -> Fleet:
    """Read the fleet as it was; what has not changed since is not read again."""
    if manager.hub.repository.resolve(commit) is None:
        raise ZedopsError(f"the hub has no commit {commit}")
    return manager.hub.read(commit, fleet)[0]


def _show(fleet: Fleet, name: str) -> dict[str, Any]:
    found = [each for each in (*fleet.servers(), *fleet.tombstones()) if each.name == name]
    if not found:
        raise ZedopsError(f"no server {name!r}")
    return rows.detail(fleet, found[0])
