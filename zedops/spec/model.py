"""The models of a server's file: the definition that people write, the state that zedops writes.

Adapters parse each file once, at the border, into these frozen models. ARCHITECTURE.md describes
the format. This module reads no files, no clock and no network.
"""

from __future__ import annotations

import hashlib
import json
import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from zedops.spec.container_options import Address, ContainerOptions
from zedops.spec.fields import (
    SERVER_ID,
    Bytes,
    CommitId,
    ContainerId,
    EnvKey,
    EnvName,
    HostSeen,
    Image,
    ImageSeen,
    Key,
    Model,
    Name,
    Sealed,
    Seconds,
    ServerId,
    Source,
    Text,
    Utc,
    YesOrNo,
    no_nul,
    once,
    one_of,
    probe,
    shell_lines,
    words,
)

#: Labels under this prefix carry zedops' own bookkeeping on a container.
LABEL_PREFIX = "zedops."


class Status(StrEnum):
    """The stage of a server's life."""

    PENDING = "pending"  #: in git, not yet begun on its host
    CREATING = "creating"  #: image, directories, container being made
    RUNNING = "running"  #: its container runs
    STOPPED = "stopped"  #: its container exists and does not run
    MISSING = "missing"  #: its container or its data is gone
    FAILED = "failed"  #: the last attempt failed; the message gives the reason
    DELETING = "deleting"  #: its container is being stopped and removed
    DELETED = "deleted"  #: its container is gone, its data is kept until purged
    UNKNOWN = "unknown"  #: its host does not answer; the last facts remain


class Desired(StrEnum):
    """The condition that a definition asks for."""

    RUNNING = "running"
    STOPPED = "stopped"


class Drift(StrEnum):
    """The reaction to a container that differs from the definition."""

    HEAL = "heal"
    REPORT = "report"


class Publish(StrEnum):
    """The reach of a port outside the container."""

    NONE = "none"
    LOOPBACK = "loopback"
    PUBLIC = "public"


class VolumeKind(StrEnum):
    """Whether a volume is a world to keep or something to download again."""

    DATA = "data"
    CACHE = "cache"
    FILE = "file"  #: one file of the host, mounted as it is: configuration, never a world


class SecretsAs(StrEnum):
    """The way in which a container gets its secrets."""

    ENV = "env"
    FILES = "files"  #: `/run/secrets/NAME`, in memory only


class Profile(StrEnum):
    """The security profile of a container."""

    DEFAULT = "default"
    HARDENED = "hardened"


def _own_or_image(value: object) -> object:
    return None if value == "image" else value


class Port(Model):
    """`16261/udp`, `"8080:80/tcp"`, or a mapping with `container`, `host`, `publish`."""

    container: int = Field(ge=1, le=65535)
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    host: int = Field(ge=1, le=65535)
    publish: Annotated[Publish, one_of(Publish)] = Publish.PUBLIC
    #: The address of the host that publishes the port; None: every address.
    address: Address | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return cls._split(value)
        if isinstance(value.get("container"), str):
            split = cls._split(value["container"])
            return {**split, **{key: each for key, each in value.items() if key != "container"}}
        return {"host": value.get("container", 1), **value}

    @staticmethod
    def _split(value: object) -> dict[str, Any]:
        match = re.fullmatch(r"(?:(\d{1,5}):)?(\d{1,5})(?:/(tcp|udp|sctp))?", str(value))
        if match is None or isinstance(value, bool):
            raise ValueError(
                f"{value!r} is not a port; write e.g. 16261/udp, \"8080:80/tcp\""
                " or {container: 27015/tcp, publish: none}"
            )
        container = int(match[2])
        return {
            "container": container,
            "host": int(match[1] or container),
            "protocol": match[3] or "tcp",
        }


_RANGE = re.compile(r"(?:(\d{1,5})-(\d{1,5}):)?(\d{1,5})-(\d{1,5})(?:/(tcp|udp|sctp))?")
_MOST_IN_RANGE = 1000


def spread(ports: dict[str, Any]) -> dict[str, Any]:
    """Expand ranges of ports: `game: 2456-2457/udp` becomes `game` and `game-2`."""
    found: dict[str, Any] = {}
    for key, value in ports.items():
        text = value.get("container") if isinstance(value, dict) else value
        match = _RANGE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            found[key] = value
            continue
        rest = {name: each for name, each in value.items() if name != "container"} if isinstance(
            value, dict) else {}
        for step, port in enumerate(_ports_of(match, rest)):
            name = key if step == 0 else f"{key}-{step + 1}"
            if name in found or (step and name in ports):
                raise ValueError(f"{name!r} is a port of the range {key!r}, too; rename it")
            found[name] = port
    return found


def _ports_of(match: re.Match[str], rest: dict[str, Any]) -> list[dict[str, Any]]:
    low, high = int(match[3]), int(match[4])
    first, last = int(match[1] or low), int(match[2] or high)
    if isinstance(rest.get("host"), int):
        first, last = rest["host"], rest["host"] + high - low
    if not (low <= high and last - first == high - low < _MOST_IN_RANGE):
        raise ValueError(
            f"{match[0]!r} is no range of ports; write e.g. 2456-2458/udp, or two ranges of the"
            f" same length, at most {_MOST_IN_RANGE} ports"
        )
    protocol = {"protocol": match[5]} if match[5] else {}
    return [{**rest, **protocol, "container": low + step, "host": first + step}
            for step in range(high - low + 1)]


def _below(value: str) -> str:
    parts = value.split("/")
    if not all(parts) or {"..", "."} & set(parts):
        raise ValueError(f"{value!r} is no directory inside the volume; write e.g. worlds/red")
    return no_nul(value)


class Volume(Model):
    """A directory of the container that outlives it."""

    path: str
    kind: Annotated[VolumeKind, one_of(VolumeKind)] = VolumeKind.DATA
    #: Its place on the host, if not in zedops' data root: an absolute path or a named volume.
    source: Source | None = None
    read_only: bool = False
    #: A directory inside a named volume.
    subpath: Annotated[str, AfterValidator(_below)] | None = None
    #: The propagation of mounts below it (mount_namespaces(7)).
    propagation: Literal["private", "rprivate", "shared", "rshared", "slave", "rslave"] | None = (
        None
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _source_fits(self) -> Volume:
        named = self.source is not None and not self.source.startswith("/")
        if self.subpath and not named:
            raise ValueError("`subpath` is inside a named volume; write the path into `source:`")
        if self.kind is VolumeKind.FILE and (self.source is None or named):
            raise ValueError("`kind: file` mounts one file of the host; name it in `source:`")
        if self.propagation and (self.source is None or named):
            raise ValueError("`propagation` is for a directory of the host; name it in `source:`")
        return self

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        parts = value.split("/")
        if not value.startswith("/") or not value.strip("/") or {"..", "."} & set(parts):
            raise ValueError(f"{value!r} is not a path inside the container; write e.g. /data")
        return no_nul("/" + "/".join(part for part in parts if part))


class Limits(Model):
    """Ceilings of the container."""

    memory: Bytes | None = None
    #: The kernel has no smaller share, and the Engine reads a share that rounds to 0 as no limit.
    cpus: Annotated[float, Field(ge=0.01, le=1024, strict=False)] | None = None
    pids: int = Field(default=512, ge=1, le=4_194_304)


class Stop(Model):
    """The steps of every stop: commands, then signal, then grace, then kill."""

    signal: str = Field(default="SIGTERM", pattern=r"^SIG[A-Z0-9+-]+$")
    grace: Seconds = 30.0
    commands: Annotated[
        tuple[Annotated[tuple[Text, ...], Field(strict=False)], ...], BeforeValidator(shell_lines)
    ] = Field(default=(), strict=False)


class Health(Model):
    """A health check, as in a Dockerfile's HEALTHCHECK."""

    test: Annotated[tuple[Text, ...], BeforeValidator(probe)] = Field(min_length=1, strict=False)
    interval: Seconds = 30.0
    timeout: Seconds = 5.0
    retries: int = Field(default=3, ge=1)
    start_period: Seconds = 0.0


def _form(value: object) -> str:
    return "[mapping]" if isinstance(value, dict) else "[list]"


#: Names with values on the host; or names with encrypted values, None for a value on the host.
Secrets = Annotated[
    Annotated[tuple[EnvKey, ...], Field(strict=False), Tag("[list]")]
    | Annotated[dict[EnvKey, Sealed | None], Tag("[mapping]")],
    Discriminator(_form),
]
#: The directory of secrets that are files, inside the container.
SECRETS_PATH = "/run/secrets"


class Definition(ContainerOptions):
    """A server as people define it."""

    host: Name | None = None
    game: Key | None = None
    desired: Annotated[Desired, one_of(Desired)] = Desired.RUNNING
    #: Empty if the preset of `game` supplies it. A resolved definition always names an image.
    image: Image = ""
    command: Annotated[tuple[Text, ...] | None, BeforeValidator(words)] = Field(
        default=None, strict=False
    )
    ports: dict[Key, Annotated[Port, once()]] = Field(default={})
    env: dict[EnvName, Text] = Field(default={})
    secrets: Annotated[Secrets, AfterValidator(lambda secrets: secrets or ())] = ()
    secrets_as: Annotated[SecretsAs, one_of(SecretsAs)] = SecretsAs.ENV
    volumes: dict[Key, Annotated[Volume, once()]] = Field(default={})
    limits: Annotated[Limits, once()] = Limits()
    stop: Annotated[Stop, once()] = Stop()
    #: None, written `image`: the image's own check, if it has one.
    health: Annotated[Annotated[Health, once()] | None, BeforeValidator(_own_or_image)] = None
    restart: Text | None = None
    rebuild: Text | None = None
    #: A container of the host, by name or id: zedops takes it over unchanged if it matches.
    adopt: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] | None = None
    drift: Annotated[Drift, one_of(Drift)] | None = None
    labels: dict[str, Text] = Field(default={})
    user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]+$")] | None = None
    hostname: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$")] | None = None
    profile: Annotated[Profile, one_of(Profile)] = Profile.DEFAULT
    #: The host that had the data: the server leaves it, and waits for a person to copy the data.
    moved_from: Name | None = None
    #: Only in a tombstone: `data` asks the host to remove the data, too.
    purge: Literal["data"] | None = None

    @field_validator("ports", mode="before")
    @classmethod
    def _spread_ranges(cls, ports: object) -> object:
        return spread(ports) if isinstance(ports, dict) else ports

    @field_validator("volumes")
    @classmethod
    def _paths_differ(cls, volumes: dict[str, Volume]) -> dict[str, Volume]:
        seen: dict[str, str] = {}
        for key, volume in volumes.items():
            if volume.path in seen:
                raise ValueError(
                    f"{key!r} and {seen[volume.path]!r} share the path {volume.path};"
                    " give each its own"
                )
            seen[volume.path] = key
        return volumes

    @model_validator(mode="after")
    def _secrets_have_their_place(self) -> Definition:
        if self.secrets_as is SecretsAs.FILES:
            for key, volume in self.volumes.items():
                if f"{volume.path}/".startswith(f"{SECRETS_PATH}/"):
                    raise ValueError(
                        f"volume {key!r} is where `secrets_as: files` puts secrets"
                        f" ({SECRETS_PATH}); give it another path"
                    )
        return self

    @property
    def adopted_id(self) -> str | None:
        """Return the id in `adopt`, with which this server continues; None without one."""
        return self.adopt if self.adopt and SERVER_ID.fullmatch(self.adopt) else None

    @property
    def host_secrets(self) -> tuple[str, ...]:
        """Name the secrets with values on the host."""
        return tuple(name for name in self.secrets if name not in self.sealed_secrets)

    @property
    def sealed_secrets(self) -> dict[str, str]:
        """Return the secrets that the definition holds, encrypted."""
        found = self.secrets.items() if isinstance(self.secrets, dict) else ()
        return {name: value for name, value in found if value is not None}

    @field_validator("labels")
    @classmethod
    def _labels_are_theirs(cls, labels: dict[str, str]) -> dict[str, str]:
        for key in labels:
            if key.startswith(LABEL_PREFIX):
                raise ValueError(f"{key!r} is one of zedops' own labels; choose another name")
        return labels


#: Fields that do not shape the container: changing them recreates nothing.
_NOT_IN_HASH = {
    "host", "game", "desired", "stop", "restart", "rebuild", "adopt", "drift", "purge",
    "moved_from", "pull",
}  # fmt: skip


def definition_hash(definition: Definition) -> str:
    """Hash the fields that shape the container: `1:<20 hex digits>`.

    The hash leaves out defaults: a newer zedops with more fields computes the same value for an old
    definition and recreates nothing. The leading number changes only if this rule changes.
    """
    shape = definition.model_dump(mode="json", exclude=_NOT_IN_HASH, exclude_defaults=True)
    text = json.dumps(shape, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "1:" + hashlib.sha256(text.encode()).hexdigest()[:20]


class State(Model):
    """The state that zedops writes below a definition. Times are UTC.

    Each field has a strict shape, because its value becomes part of commands.
    """

    id: ServerId
    status: Annotated[Status, one_of(Status)] = Status.PENDING
    data_exists: YesOrNo = False
    #: The data existed and is gone: zedops starts nothing until it is back or purged.
    data_lost: YesOrNo = False
    deleted_at: Utc | None = None
    host: HostSeen | None = None
    container: ContainerId | None = None
    image: ImageSeen | None = None
    commit: CommitId | None = None
    since: Utc | None = None
    message: str | None = None
    #: Of a tombstone, by the settings at its making: its earliest end, and whether the data goes
    #: then. Later settings cannot shorten it.
    kept_until: Utc | None = None
    purge_data: YesOrNo = False

    @property
    def has_world(self) -> bool:
        """Say whether the server has data, present or lost."""
        return self.data_exists or self.data_lost
