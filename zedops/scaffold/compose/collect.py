"""Several services of one project → definitions that fit together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zedops.scaffold.compose.reading import Translation
from zedops.scaffold.compose.scalars import Plain, as_text
from zedops.spec import document, state_block
from zedops.spec.definition_text import render
from zedops.spec.dependencies import cycle_of

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
    _share_data(services)
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
    for each in services:
        if each.refused:
            continue
        content = state_block.render(render(each.fields), None)
        for problem in document.parse("servers.d/server.yaml", content).problems:
            remedy = f"; {problem.remedy}" if problem.remedy else ""
            each.refuse(f"{problem.field}: {problem.fact}{remedy}")


def _share_data(services: Sequence[Translation]) -> None:
    """Let one server guard a shared directory; the others use it as a cache."""
    keepers: dict[tuple[str, str], str] = {}
    for service in services:
        for volume in service.fields.get("volumes", {}).values():
            place = _place(volume)
            if place is None:
                continue
            if keepers.setdefault(place, service.name) == service.name:
                continue
            volume["kind"] = "cache"
            service.note(
                f"volumes: {place[0]} is {keepers[place]}'s data, too: only that one guards it,"
                " here it is kind: cache"
            )


def _place(volume: Mapping[str, Any]) -> tuple[str, str] | None:
    if "source" not in volume or volume.get("kind") in ("file", "cache"):
        return None
    return volume["source"], volume.get("subpath", "")


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

