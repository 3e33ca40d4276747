"""A container, a compose file or a `docker run` line → definitions of servers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zedops.scaffold.compose.collect import write_order
from zedops.scaffold.compose.network import keep_names
from zedops.scaffold.compose.reading import Translation
from zedops.scaffold.container import server_name
from zedops.spec.definition_text import render
from zedops.spec.emitter import scalar

#: The Engine's own networks: no policy has to allow them.
_ENGINES_OWN = {"bridge", "default", "none"}
_ADOPTED = {"adopt": "taken over as it is; changes below recreate it"}


@dataclass
class Found:
    """A server to import: its name, its fields, its notes and refusals."""

    name: str
    fields: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    answers_to: tuple[str, ...] = ()  #: names that its networks resolve
    needs: Mapping[str, str] = field(default_factory=dict)  #: services that start first
    service: str = ""  #: its name in the compose file
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


def of_service(service: Translation) -> Found:
    """Take a translated service of a compose file."""
    return Found(
        service.name, service.fields, service.notes, service.refused, service.answers_to,
        service.needs, service.name, service.secrets,
    )


def give_names(found: Sequence[Found], name: str | None = None) -> None:
    """Give each its server's name, and write those names where other servers refer to them."""
    for each in found:
        each.name = name or server_name(each.name)
        keep_names(each.fields, each.answers_to, each.name)
    servers = {each.service: each.name for each in found}
    for each in found:
        if note := write_order(each.fields, each.needs, servers):
            each.notes.append(note)


def twice(found: Sequence[Found]) -> str | None:
    """Name a server that two of them would be."""
    names = [each.name for each in found]
    return min((each for each in names if names.count(each) > 1), default=None)


def write(found: Found, host: str | None) -> str:
    """Write a definition; its notes stand above it."""
    first = {"host": host} if host else {}
    return render({**first, **found.fields}, found.notes, _ADOPTED)


def policy_lines(found: Found) -> list[str]:
    """List the policy lines that this container needs on its host."""
    fields = found.fields
    sources = [each["source"] for each in fields.get("volumes", {}).values()
               if isinstance(each, dict) and "source" in each]
    needed = {
        "adopt": [fields["adopt"]] if "adopt" in fields else [],
        "bind_roots": sources,
        "networks": [each for each in fields.get("networks", ()) if each not in _ENGINES_OWN],
        "devices": [each.partition(":")[0] for each in fields.get("devices", ())],
        "security_opt": list(fields.get("security_opt", ())),
    }
    lines = [f"`{key}: [{', '.join(map(scalar, each))}]`" for key, each in needed.items() if each]
    lines += ["`gpus: true`"] if "gpus" in fields else []
    return lines + (["`host_network: true`"] if fields.get("network_mode") == "host" else [])
