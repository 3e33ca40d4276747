"""Several services of one project → definitions that fit together. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from zedops.scaffold.compose.reading import Translation
from zedops.scaffold.compose.scalars import Plain, as_text
from zedops.spec import document, state_block
from zedops.spec.definition_text import render
from zedops.spec.dependencies import cycle_of
from zedops.spec.sources import Place, conflict, places

#: What zedops sets for every container and Compose does not, by the field that says otherwise.
_OWN = {
    "restart": "it is started again whenever it ends (restart)",
    "pids": "it has at most 512 processes (limits.pids)",
    "security_opt": "it gains no new privileges (security_opt)",
    "init": "an init process starts its program (init)",
    "logging": "the Engine keeps 30 MB of its output (logging)",
}


def settle(services: Sequence[Translation]) -> list[str]:
    """Settle what concerns several services; returns notes for all of them."""
    share_data(services)
    _refuse_cycles(services)
    for each in services:
        _name_defaults(each)
    return _name_each_other(services)


def write_order(
    fields: dict[str, Any], needs: Mapping[str, str], servers: Mapping[str, str]
) -> str | None:
    """Write which servers start first; `servers` names those of services. Returns a note."""
    known = {servers[each]: condition for each, condition in needs.items() if each in servers}
    if known:
        is_short = set(known.values()) == {"service_started"}
        fields["depends_on"] = list(known) if is_short else {
            each: {"condition": condition} for each, condition in known.items()
        }
    left = ", ".join(each for each in needs if each not in servers)
    return f"depends_on: {left} is not imported, so this waits for no such server" if left else None


def _refuse_cycles(services: Sequence[Translation]) -> None:
    """Refuse services that wait for each other, as Compose does."""
    needs = {each.name: each.needs for each in services}
    for each in services:
        if way := cycle_of(each.name, needs):
            each.refuse(f"depends_on: {' → '.join(way)}: they wait for each other; drop one")


def _name_defaults(service: Translation) -> None:
    """Name the defaults of zedops that Compose does not have."""
    fields = service.fields
    policy = service.tree.get("restart")
    named = isinstance(policy, str | Plain) and as_text(policy)
    said = {*fields, *fields.get("limits", {}), *(["restart"] if named else [])}
    if any("no-new-privileges" in each for each in fields.get("security_opt", ())):
        said.add("security_opt")
    elif "security_opt" in said:
        said.remove("security_opt")
    if left := [text for key, text in _OWN.items() if key not in said]:
        service.note(f"defaults of zedops that Compose does not have: {'; '.join(left)}")


def refuse_invalid(services: Sequence[Translation]) -> None:
    """Refuse each service with a value that no definition can have; the others go on."""
    known: list[Place] = []
    for each in services:
        if each.refused:
            continue
        content = state_block.render(render(each.fields), None)
        read = document.parse("servers.d/server.yaml", content)
        for problem in read.problems:
            remedy = f"; {problem.remedy}" if problem.remedy else ""
            each.refuse(f"{problem.field}: {problem.fact}{remedy}")
        mine = list(places(each.name, each.name, read.definition)) if read.definition else []
        facts = (conflict(one, other) for one in mine for other in known)
        if fact := next((one for one in facts if one), None):
            each.refuse(f"volumes: {fact}")
        else:
            known += mine


class Imported(Protocol):
    """A service, read from a file or from its container."""

    name: str
    fields: dict[str, Any]
    notes: list[str]


def share_data(services: Sequence[Imported]) -> None:
    """Make a directory a cache in each of several services that write to it: no world is safe."""
    users: dict[tuple[str, str], list[tuple[Imported, dict[str, Any]]]] = defaultdict(list)
    for service in services:
        for volume in service.fields.get("volumes", {}).values():
            if isinstance(volume, dict) and "source" in volume and not volume.get("read_only"):
                users[volume["source"], volume.get("subpath", "")].append((service, volume))
    for (source, _), both in users.items():
        names = list(dict.fromkeys(service.name for service, _ in both))
        for service, volume in both if len(names) > 1 else ():
            if volume.get("kind") in ("file", "cache"):
                continue
            volume["kind"] = "cache"
            service.notes.append(
                f"volumes: {', '.join(names)} write to {source}, so zedops guards it for none"
                " (kind: cache); let one write and the others read to have it guarded"
            )


def _name_each_other(services: Sequence[Translation]) -> list[str]:
    """Say which services need a common network to find each other by name."""
    alone = [each.name for each in services
             if "networks" not in each.fields and "network_mode" not in each.fields]
    if len(services) < 2 or not alone:
        return []
    network = f"{services[0].project.name}_default"
    fact = "in Compose the services of one file find each other by name"
    remedy = f"`docker network create {network}`, then `networks: [{network}]` in each"
    return [f"{', '.join(alone)}: {fact}; here they do in a common network: {remedy}"]

