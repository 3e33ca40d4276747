"""What the host's owner allows, whatever a fleet or its manager asks for: `/etc/zedops/agent.yaml`.

    bind_roots: [/srv/games]        # directories that `source:` may name, or be below of; none
    images: ["ghcr.io/**", "docker.io/itzg/*"]   # `*` is one part of a name, `**` any; all
    ports: ["1024-65535"]           # host ports that may be published; all
    memory: 16GiB                   # the most that one server may ask for; no ceiling
    cpus: 4
    cap_add: [NET_ADMIN]            # beyond those that every container has; none
    host_network: true              # the host's own network, or another container's; false
    docker_socket: true             # the Engine's socket as a `source:`: root on this host; false
    purge: false                    # data is never removed here, whoever asks; true

The end of each line is what holds where it is left out. Read each time it is needed, so that an
edit counts at once; a file that cannot be read allows nothing. `refusals` is pure.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, Field, ValidationError

from zedops import disk
from zedops.errors import EngineFailed
from zedops.fields import Bytes, Model
from zedops.model import Definition, Publish

DEFAULT_PATH = Path("/etc/zedops/agent.yaml")

#: What the Engine gives every container anyway (moby/moby, oci/caps/defaults.go).
_USUAL_CAPS = frozenset({
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
    "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
})  # fmt: skip
_SOCKETS = (Path("/var/run/docker.sock"), Path("/run/containerd/containerd.sock"))
_SPAN = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def _span(value: str) -> str:
    if not _SPAN.fullmatch(value):
        raise ValueError(f"{value!r} is no range of ports; write e.g. 1024-65535")
    return value


class Policy(Model):
    """What a host allows."""

    bind_roots: tuple[str, ...] = Field(default=(), strict=False)
    images: tuple[str, ...] = Field(default=("**",), strict=False)
    ports: tuple[Annotated[str, AfterValidator(_span)], ...] = Field(
        default=("1-65535",), strict=False
    )
    memory: Bytes | None = None
    cpus: Annotated[float, Field(gt=0, strict=False)] | None = None
    cap_add: tuple[str, ...] = Field(default=(), strict=False)
    host_network: bool = False
    docker_socket: bool = False
    purge: bool = True


@dataclass(frozen=True)
class Refusal:
    """What is not allowed, and the line of the policy that would allow it."""

    fact: str
    line: str


def refusals(
    policy: Policy, definition: Definition, sources: Mapping[str, Path]
) -> Iterator[Refusal]:
    """Find everything in a definition that a host does not allow.

    `sources` says where each volume with a `source:` really is, links resolved.
    """
    name = repository(definition.image)
    if not any(_matches(each, name) for each in policy.images):
        yield Refusal(f"image {name} is not among those that may run", f'images: ["{name}"]')
    for key, place in sources.items():
        yield from _source(policy, key, place)
    for key, port in definition.ports.items():
        if port.publish is not Publish.NONE and not _in_spans(port.host, policy.ports):
            yield Refusal(f"port {key}: {port.host} may not be published", f"ports: [{port.host}]")
    yield from _ceilings(policy, definition)
    for cap in definition.cap_add:
        bare = cap.removeprefix("CAP_")
        if bare not in _USUAL_CAPS and bare not in {_bare(each) for each in policy.cap_add}:
            yield Refusal(f"capability {bare} may not be added", f"cap_add: [{bare}]")
    for network in definition.networks:
        if not policy.host_network and (network == "host" or network.startswith("container:")):
            yield Refusal(f"network {network!r} is not the container's own", "host_network: true")


def _source(policy: Policy, key: str, place: Path) -> Iterator[Refusal]:
    sockets = {each.resolve() for each in _SOCKETS}
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


def repository(image: str) -> str:
    """Name an image's repository in full, as the Engine does: `docker.io/library/nginx`.

    Source: distribution/reference, `ParseNormalizedNamed`.
    """
    name = image.split("@", 1)[0]
    head, slash, rest = name.rpartition("/")
    name = f"{head}{slash}{rest.split(':', 1)[0]}"
    first, slash, _ = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        name = f"docker.io/{name}" if slash else f"docker.io/library/{name}"
    return name


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


@functools.lru_cache(maxsize=4)  # it is read before each step, and hardly ever another one
def _understood(content: bytes) -> Policy:
    return Policy.model_validate(yaml.safe_load(content.decode()) or {})


@dataclass(frozen=True)
class PolicyFile:
    """The policy as its owner has it now."""

    path: Path = DEFAULT_PATH

    def read(self) -> Policy:
        """Read it. EngineFailed where it is there and makes no sense."""
        try:
            return _understood(disk.read(self.path))
        except FileNotFoundError:
            return Policy()
        except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
            reason = " ".join(str(error).split())
            raise EngineFailed(f"{self.path} cannot be used: {reason}") from error

    def check(self, definition: Definition, places: Mapping[str, Path | None]) -> None:
        """Refuse what the host does not allow; EngineFailed names all of it, and the ways out."""
        sources = {
            key: path.resolve() for key, path in places.items()
            if path is not None and definition.volumes[key].source is not None
        }
        found = list(refusals(self.read(), definition, sources))
        if found:
            facts = "; ".join(each.fact for each in found)
            lines = ", ".join(f"`{each.line}`" for each in found)
            raise EngineFailed(f"{facts}; its owner can add {lines} to {self.path}")

    def check_purge(self) -> None:
        """Refuse to remove data where the host's owner keeps it."""
        if not self.read().purge:
            fact = "this host never removes data"
            raise EngineFailed(f"{fact}; its owner can remove `purge: false` from {self.path}")
