"""Finds what a server asks for and a host's policy does not allow. Pure.

It names every refusal with the line of the policy that would allow it, and never the first alone.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zedops.spec import references
from zedops.spec.container_options import NetworkMode
from zedops.spec.model import Definition
from zedops.spec.port import Publish
from zedops_agent.observed import Network
from zedops_agent.policy import SPAN, Policy, fits

#: Capabilities that the Engine gives every container (moby/moby, oci/caps/defaults.go).
_USUAL_CAPS = frozenset({
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
    "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
})  # fmt: skip
#: Security options that take rights, and give none.
_TIGHTENS = re.compile(r"no-new-privileges(=true)?")
#: Logging drivers that keep lines on this host.
_LOGS_HERE = ("json-file", "local", "journald", "none")


@dataclass(frozen=True)
class SourcePlace:
    """The real path of a `source:`, links resolved, and the host's facts about it."""

    path: Path
    in_roots: bool  #: it is one of the policy's `bind_roots`, or below one
    shows_socket: bool  #: it is an Engine's socket, or a directory around one


@dataclass(frozen=True)
class Asked:
    """A server's requests to this host, with the host's facts about them."""

    fleet: str
    definition: Definition
    #: The place of each volume with a `source:`.
    sources: Mapping[str, SourcePlace] = field(default_factory=dict)
    #: The Engine's networks for the names under `networks:`.
    networks: Mapping[str, Network] = field(default_factory=dict)
    adopted: Collection[str] = ()  #: ids of the fleet's containers without its label
    adopting: str | None = None  #: the name of the container to adopt


@dataclass(frozen=True)
class Refusal:
    """A forbidden request, and the line of the policy that would allow it."""

    fact: str
    line: str


def refusals(policy: Policy, asked: Asked) -> Iterator[Refusal]:
    """Find everything that a server asks for and a host does not allow."""
    definition = asked.definition
    yield from _image(policy, definition.image)
    for key, place in asked.sources.items():
        yield from _source(policy, key, place)
    yield from _drivers(policy, definition)
    for key, port in definition.ports.items():
        if port.publish is not Publish.NONE and not _in_spans(port.host, policy.ports):
            yield Refusal(f"port {key}: {port.host} may not be published", f"ports: [{port.host}]")
    yield from _ceilings(policy, definition)
    added = {_bare(each) for each in policy.cap_add}
    for cap in definition.cap_add:
        bare = cap.removeprefix("CAP_")
        if bare not in _USUAL_CAPS and bare not in added and "ALL" not in added:
            yield Refusal(f"capability {bare} may not be added", f"cap_add: [{bare}]")
    for network in definition.network_names:
        yield from _network(policy, asked, network)
    yield from _options(policy, definition)
    for label in definition.labels:
        if not policy.gives(label):
            fact = f"label {label!r} is one that other programs on this host may obey"
            yield Refusal(fact, f'labels: ["{label}"]')
    name = asked.adopting
    if name is not None and not any(fits(each, name) for each in policy.adopt):
        fact = f"container {name!r} was not made by this fleet and may not be taken over"
        yield Refusal(fact, f'adopt: ["{name}"]')


def _options(policy: Policy, definition: Definition) -> Iterator[Refusal]:
    """Judge options that reach beyond the container: network, devices, GPUs, security, log."""
    if definition.network_mode is NetworkMode.HOST and not policy.host_network:
        yield Refusal("network_mode: host is the host's own network", "host_network: true")
    for device in definition.devices:
        place = posixpath.normpath(device.partition(":")[0])
        if not any(matches(each, place) for each in policy.devices):
            yield Refusal(f"device {place} may not be used", f'devices: ["{place}"]')
    if definition.gpus is not None and not policy.gpus:
        yield Refusal("GPUs may not be used", "gpus: true")
    for option in definition.security_opt:
        said = option.replace(":", "=", 1)
        allowed = any(fits(each.replace(":", "=", 1), said) for each in policy.security_opt)
        if not _TIGHTENS.fullmatch(said) and not allowed:
            yield Refusal(f"security_opt {option} may not be set", f'security_opt: ["{said}"]')
    if (log := definition.logging) and log.driver not in (*_LOGS_HERE, *policy.logging):
        fact = f"logging driver {log.driver} sends servers' output elsewhere"
        yield Refusal(fact, f"logging: [{log.driver}]")


def _image(policy: Policy, image: str) -> Iterator[Refusal]:
    if "**" in policy.images:
        return
    named = references.parse(image)
    if named is None:
        fact = f"image {image} is an id or no image's name, so that it cannot be judged by it"
        yield Refusal(fact, 'images: ["**"]')
    elif not any(matches(each, named.repository) for each in policy.images):
        fact = f"image {named.repository} is not among those that may run"
        yield Refusal(fact, f'images: ["{named.repository}"]')


def _network(policy: Policy, asked: Asked, wanted: str) -> Iterator[Refusal]:
    """Judge a network by its own name: the Engine takes ids, and the beginnings of ids, as well."""
    found = asked.networks.get(wanted, Network(wanted, ""))
    if found.name in ("bridge", "default", "none"):
        return  # every container may be there
    if found.driver == "host" or found.name == "host" or found.name.startswith("container:"):
        if not policy.host_network:
            yield Refusal(f"network {wanted!r} is not the container's own", "host_network: true")
    elif wanted not in asked.networks:
        return  # no such network; the Engine says so before any stop
    elif not _is_own(asked, found) and not any(fits(each, found.name) for each in policy.networks):
        fact = f"network {found.name!r} is not this fleet's alone"
        yield Refusal(fact, f'networks: ["{found.name}"]')


def _is_own(asked: Asked, network: Network) -> bool:
    """Say whether a network connects to this fleet alone: it has the fleet's label, or no other.

    A network without a label counts if its driver leads nowhere (a bridge), and if it contains no
    other container, not even a stopped one.
    """
    if network.owner or network.driver != "bridge":
        return network.owner == asked.fleet
    return all(
        fleet == asked.fleet or each in asked.adopted for each, fleet in network.members
    )


def _source(policy: Policy, key: str, place: SourcePlace) -> Iterator[Refusal]:
    if place.shows_socket and not policy.docker_socket:
        fact = f"volume {key!r}: {place.path} holds the Engine's socket, which is root on this host"
        yield Refusal(fact, "docker_socket: true")
    if not place.in_roots:
        fact = f"volume {key!r}: {place.path} is not among what this host lets fleets use"
        yield Refusal(fact, f"bind_roots: [{place.path}]")


def _drivers(policy: Policy, definition: Definition) -> Iterator[Refusal]:
    """Judge drivers of named volumes; `bind_roots` judges a directory that one binds.

    A line without a space allows a driver with all options, a longer one exactly those that fit.
    """
    for key, volume in definition.volumes.items():
        driven = volume.driven
        if driven is None or driven.bound is not None or driven.kind == "tmpfs":
            continue
        said, head = str(driven), str(driven).partition(" ")[0]
        if not any(fits(each, said if " " in each else head) for each in policy.volumes):
            fact = f"volume {key!r}: its driver {head} reaches beyond the container"
            yield Refusal(fact, f"volumes: [{json.dumps(said)}]")


def _ceilings(policy: Policy, definition: Definition) -> Iterator[Refusal]:
    limits = definition.limits
    if policy.memory is not None and not 0 < (limits.memory or 0) <= policy.memory:
        asked = f"{(limits.memory or 0) >> 20} MiB of memory" if limits.memory else "any memory"
        ceiling = f"{policy.memory >> 20}MiB"
        fact = f"it may use {asked}, and {ceiling} is the most here (limits: {{memory: {ceiling}}})"
        yield Refusal(fact, f"memory: {max(limits.memory or 0, policy.memory + 1) >> 20}MiB")
    if policy.cpus is not None and not 0 < (limits.cpus or 0) <= policy.cpus:
        asked = f"{limits.cpus:g} CPUs" if limits.cpus else "any CPU"
        most = f"{policy.cpus:g}"
        fact = f"it may use {asked}, and {most} is the most here (limits: {{cpus: {most}}})"
        yield Refusal(fact, f"cpus: {limits.cpus or policy.cpus:g}")
    if policy.pids is not None and limits.pids > policy.pids:
        fact = (f"it may have {limits.pids} processes, and {policy.pids} is the most here"
                f" (limits: {{pids: {policy.pids}}})")
        yield Refusal(fact, f"pids: {limits.pids}")


def matches(pattern: str, name: str) -> bool:
    parts = re.split(r"(\*\*|\*)", pattern)
    kinds = {"**": ".*", "*": "[^/]*"}
    wanted = "".join(kinds.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(wanted, name) is not None


def _in_spans(port: int, spans: tuple[str, ...]) -> bool:
    found = (SPAN.fullmatch(each) for each in spans)
    return any(each and int(each[1]) <= port <= int(each[2] or each[1]) for each in found)


def _bare(cap: str) -> str:
    return cap.upper().removeprefix("CAP_")
