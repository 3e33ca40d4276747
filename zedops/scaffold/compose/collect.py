"""Several services of one project → definitions that fit together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zedops.scaffold.compose.reading import Translation
from zedops.spec import document, state_block
from zedops.spec.definition_text import render

#: zedops sets these limits for every container; Compose does not.
_OWN = (
    "it may have at most 512 processes (limits.pids) and gain no new privileges (security_opt);"
    " Compose limits neither"
)


def settle(services: Sequence[Translation]) -> list[str]:
    """Settle what concerns several services; returns notes for all of them."""
    _share_data(services)
    for each in services:
        if "pids" not in each.fields.get("limits", {}):
            each.note(_OWN)
    return _name_each_other(services)


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

