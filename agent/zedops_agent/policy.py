"""The host's policy, which binds every fleet and its manager: `/etc/zedops/agent.yaml`.

    bind_roots: [/srv/games]        # directories that `source:` may name, or be below of; none
    images: ["ghcr.io/**", "docker.io/itzg/*"]   # `*` is one part of a name, `**` any; all
    ports: ["1024-65535"]           # host ports that may be published; all
    memory: 16GiB                   # the most that one server may ask for; no ceiling
    cpus: 4
    pids: 4096
    cap_add: [NET_ADMIN]            # beyond those that every container has; none
    networks: [games, "lan-*"]      # networks in which others are, too; none
    labels: ["traefik.*"]           # labels that other programs may obey; none
    adopt: [my-zomboid]             # containers that `adopt:` may take over; none
    devices: ["/dev/dri/*"]         # devices of the host; none
    gpus: true                      # GPUs of the host; false
    security_opt: ["apparmor=*"]    # options that loosen the Engine's own; none
    logging: [syslog]               # drivers besides json-file, local, journald and none
    host_network: true              # the host's own network, or another container's; false
    docker_socket: true             # the Engine's socket as a `source:`: root on this host; false
    purge: false                    # never remove data here, against every request; true

The end of each line is the default. zedops reads the file at each use, so that an edit counts at
once; a file that it cannot read allows nothing. `refusals` is pure.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, Field, ValidationError

from zedops.errors import EngineFailed
from zedops.spec import references
from zedops.spec.container_options import NetworkMode
from zedops.spec.fields import Bytes, Model
from zedops.spec.model import Definition
from zedops.spec.port import Publish
from zedops.system import files
from zedops_agent.observed import Network

DEFAULT_PATH = Path("/etc/zedops/agent.yaml")

#: Capabilities that the Engine gives every container (moby/moby, oci/caps/defaults.go).
_USUAL_CAPS = frozenset({
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
    "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
})  # fmt: skip
_SOCKETS = ("/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
#: Programs read labels with a dot in them (Docker's guideline: a namespace of their own); these
#: read labels without one.
_OBEYED = re.compile(
    r"[^.]*\..*|(?:autoheal|caddy|swag|wud|dozzle|watchtower|traefik).*", re.DOTALL
)
#: Labels that only describe.
_DESCRIBES = ("org.opencontainers.", "org.label-schema.")
#: Security options that take rights, and give none.
_TIGHTENS = re.compile(r"no-new-privileges(=true)?")
#: Logging drivers that keep lines on this host.
_LOGS_HERE = ("json-file", "local", "journald", "none")
_SPAN = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def _span(value: str) -> str:
    if not _SPAN.fullmatch(value):
        raise ValueError(f"{value!r} is no range of ports; write e.g. 1024-65535")
    first, _, last = value.partition("-")
    if int(last or first) < int(first):
        raise ValueError(f"{value!r} goes backwards; write e.g. 1024-65535")
    return value


def _root(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError(f"{value!r} is no absolute path; write e.g. /srv/games")
    return value


class Policy(Model):
    """The rights that a host gives to fleets."""

    bind_roots: tuple[Annotated[str, AfterValidator(_root)], ...] = Field(
        default=(), strict=False
    )
    images: tuple[str, ...] = Field(default=("**",), strict=False)
    ports: tuple[Annotated[str, AfterValidator(_span)], ...] = Field(
        default=("1-65535",), strict=False
    )
    memory: Bytes | None = None
    cpus: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=False)] | None = None
    pids: Annotated[int, Field(ge=1)] | None = None
    cap_add: tuple[str, ...] = Field(default=(), strict=False)
    networks: tuple[str, ...] = Field(default=(), strict=False)
    labels: tuple[str, ...] = Field(default=(), strict=False)
    adopt: tuple[str, ...] = Field(default=(), strict=False)
    devices: tuple[str, ...] = Field(default=(), strict=False)
    gpus: bool = False
    security_opt: tuple[str, ...] = Field(default=(), strict=False)
    logging: tuple[str, ...] = Field(default=(), strict=False)
    host_network: bool = False
    docker_socket: bool = False
    purge: bool = True

    def gives(self, label: str) -> bool:
        """Say whether a container may have a label: many other programs obey labels."""
        plain = not _OBEYED.fullmatch(label) or label.startswith(_DESCRIBES)
        return plain or any(_fits(each, label) for each in self.labels)



@dataclass(frozen=True)
class Asked:
    """A server's requests to this host, with the host's facts about them."""

    fleet: str
    definition: Definition
    #: The real path of each volume with a `source:`, links resolved.
    sources: Mapping[str, Path] = field(default_factory=dict)
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
    if name is not None and not any(_fits(each, name) for each in policy.adopt):
        fact = f"container {name!r} was not made by this fleet and may not be taken over"
        yield Refusal(fact, f'adopt: ["{name}"]')


def _options(policy: Policy, definition: Definition) -> Iterator[Refusal]:
    """Judge options that reach beyond the container: network, devices, GPUs, security, log."""
    if definition.network_mode is NetworkMode.HOST and not policy.host_network:
        yield Refusal("network_mode: host is the host's own network", "host_network: true")
    for device in definition.devices:
        place = os.path.normpath(device.partition(":")[0])
        if not any(_matches(each, place) for each in policy.devices):
            yield Refusal(f"device {place} may not be used", f'devices: ["{place}"]')
    if definition.gpus is not None and not policy.gpus:
        yield Refusal("GPUs may not be used", "gpus: true")
    for option in definition.security_opt:
        said = option.replace(":", "=", 1)
        allowed = any(_fits(each.replace(":", "=", 1), said) for each in policy.security_opt)
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
    elif not any(_matches(each, named.repository) for each in policy.images):
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
    elif not _is_own(asked, found) and not any(_fits(each, found.name) for each in policy.networks):
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


def _source(policy: Policy, key: str, place: Path) -> Iterator[Refusal]:
    own = os.environ.get("DOCKER_HOST", "").partition("unix://")[2]
    sockets = {Path(each).resolve() for each in (*_SOCKETS, own) if each}
    shows_socket = any(each == place or each.is_relative_to(place) for each in sockets)
    if shows_socket and not policy.docker_socket:
        fact = f"volume {key!r}: {place} holds the Engine's socket, which is root on this host"
        yield Refusal(fact, "docker_socket: true")
    roots = [Path(each).resolve() for each in policy.bind_roots]
    if not any(place.is_relative_to(root) for root in roots):
        fact = f"volume {key!r}: {place} is not among what this host lets fleets use"
        yield Refusal(fact, f"bind_roots: [{place}]")


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


def _matches(pattern: str, name: str) -> bool:
    parts = re.split(r"(\*\*|\*)", pattern)
    kinds = {"**": ".*", "*": "[^/]*"}
    wanted = "".join(kinds.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(wanted, name) is not None


def _in_spans(port: int, spans: tuple[str, ...]) -> bool:
    found = (_SPAN.fullmatch(each) for each in spans)
    return any(each and int(each[1]) <= port <= int(each[2] or each[1]) for each in found)


def _bare(cap: str) -> str:
    return cap.upper().removeprefix("CAP_")


def _fits(pattern: str, name: str) -> bool:
    """Compare names without parts: `*` is any text."""
    wanted = ".*".join(re.escape(each) for each in pattern.split("*"))
    return re.fullmatch(wanted, name, re.DOTALL) is not None


@functools.lru_cache(maxsize=4)  # each step reads it, and it hardly ever changes
def _understood(content: bytes) -> Policy:
    return Policy.model_validate(yaml.safe_load(content.decode()) or {})


def _resolved(key: str, path: Path) -> Path:
    try:
        return Path(os.path.realpath(path))  # `resolve` raises where links go in a circle
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, links in a circle
        fact = f"volume {key!r}: {str(path)[:200]} cannot be looked at"
        raise EngineFailed(f"{fact}: {error.__class__.__name__}; correct `source:`") from error


class Forbidden(EngineFailed):
    """The host's policy does not allow it, or zedops cannot read the policy."""


@dataclass(frozen=True)
class PolicyFile:
    """The present policy of the host's owner."""

    path: Path = DEFAULT_PATH

    def stamp(self) -> bytes | None:
        """Return a value that changes with the text; None for a missing or unreadable file."""
        try:
            return files.read(self.path)
        except OSError:
            return None

    def read_policy(self) -> Policy:
        """Read the policy. Raises Forbidden if the file exists and is not valid."""
        try:
            return _understood(files.read(self.path))
        except FileNotFoundError:
            return Policy()
        except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
            reason = " ".join(str(error).split())
            raise Forbidden(f"{self.path} cannot be used: {reason}") from error

    def check(
        self, fleet: str, definition: Definition, places: Mapping[str, Path | None],
        find: Callable[[str], Network | None], adopted: Collection[str] = (),
        adopting: str | None = None,
    ) -> None:
        """Check a server against the policy; Forbidden names all refusals, and the remedies.

        `find` looks for a network; `adopted` are ids of containers, `adopting` is the name of one.
        """
        sources = {
            key: _resolved(key, path) for key, path in places.items()
            if path is not None and definition.volumes[key].source is not None
        }
        networks = {each: found for each in definition.network_names if (found := find(each))}
        asked = Asked(fleet, definition, sources, networks, adopted, adopting)
        refused = list(refusals(self.read_policy(), asked))
        if refused:
            facts = "; ".join(each.fact for each in refused)
            lines = ", ".join(f"`{each.line}`" for each in refused)
            raise Forbidden(f"{facts}; its owner can add {lines} to {self.path}")

    def check_purge(self) -> None:
        """Refuse to remove data if the host's policy keeps it."""
        if not self.read_policy().purge:
            fact = "this host never removes data"
            raise EngineFailed(f"{fact}; its owner can remove `purge: false` from {self.path}")
