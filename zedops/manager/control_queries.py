"""Answers read requests at the door: the fleet as git has it, and replies of hosts.

The manager holds the fleet in memory. A command that reads the hub itself takes longer, in
proportion to the fleet's size.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from zedops.bus.interfaces import Bus
from zedops.clone.edits import Edits
from zedops.errors import ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.hub import snapshot
from zedops.manager import web_rules
from zedops.manager.loop import Manager
from zedops.queries import backups, changes, hosts, servers
from zedops.spec.document import Document

#: The read requests, by name.
LOOKS = ("list", "list-at", "show", "ports", "orphans", "snapshots", "plan", "diff", "validate",
         "web-rules")


def answer(manager: Manager, bus: Bus, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a read request. ZedopsError where the request does not fit this fleet."""
    match request["do"]:
        case "list":
            made = servers.rows(manager.as_committed(), include_deleted=request["buried"])
            return {"rows": servers.with_progress(made, manager.calls.progress_of)}
        case "list-at":
            past = _past(manager, manager.as_committed(), request["at"])
            return {"rows": servers.rows(past, include_deleted=request["buried"])}
        case "show":
            return {"row": _show(manager.as_committed(), request["server"])}
        case "ports":
            taken, silent = hosts.taken_ports(_newest(manager), request["host"], bus.call)
            return {"rows": taken, "silent": silent}
        case "orphans":
            found, silent = hosts.orphans(_newest(manager), request["host"], bus.call)
            return {"rows": found, "silent": silent}
        case "snapshots":
            fleet = manager.as_committed()
            listed = backups.snapshots(fleet, bus.call, _find(fleet, request["server"]))
            return {"rows": listed.rows, "silent": listed.silent}
        case "web-rules":
            return web_rules.told(manager)
        case _:
            return _weigh(manager, _newest(manager), request)


def _newest(manager: Manager) -> Fleet:
    """Give the fleet as main has it, with pushes that the manager has not taken in yet."""
    known, head = manager.as_committed(), manager.hub.head()
    return known if head is None else manager.hub.read_fleet(head, known)[0]


def _past(manager: Manager, fleet: Fleet, commit: str) -> Fleet:
    """Read the fleet at a commit; files that have not changed since are not read again."""
    if manager.hub.repository.resolve(commit) is None:
        raise ZedopsError(f"the hub has no commit {commit}")
    return manager.hub.read_fleet(commit, fleet)[0]


def _weigh(manager: Manager, fleet: Fleet, request: dict[str, Any]) -> dict[str, Any]:
    """Preview edits that are not pushed yet: validate, compare or plan them."""
    edits, hub = Edits.from_json(request), manager.hub
    if hub.repository.resolve(edits.base) is None:
        raise ZedopsError(f"the hub has no commit {edits.base}")
    base, mine = snapshot.edited(hub.repository, hub.default_name, fleet, edits.base, edits.files)
    if request["do"] == "validate":
        return vars(changes.validate(mine, edits.files))
    proposed, paths = changes.propose(fleet, base, mine, datetime.now(UTC))
    if request["do"] == "diff":
        return {"rows": changes.compare(fleet, proposed)}
    said = request.get("options")
    options = [str(each) for each in said] if isinstance(said, list) else []
    made = changes.plan(fleet, proposed, paths, request["server"], edits.files, options)
    return vars(made)


def _show(fleet: Fleet, name: str) -> dict[str, Any]:
    found = _find(fleet, name)
    return {**vars(servers.detail(fleet, found)), "text": servers.text(found)}


def _find(fleet: Fleet, name: str) -> Document:
    graves = (each for each in fleet.tombstones() if each.name == name)
    for each in (*fleet.named(name), *graves):
        return each
    raise ZedopsError(f"no server {name!r}")
