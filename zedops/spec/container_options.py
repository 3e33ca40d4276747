"""The container options that Docker users expect and zedops itself does not need. Pure.

A definition's hash leaves out each field's default, so a definition older than a field keeps its
container. Names and forms are Compose's (Compose Specification, services) where it has them. The
host's owner decides which of them the host allows (`agent.yaml`).
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from zedops.spec.fields import Bytes, Model, Text, matching, no_nul, one_of, words

#: Linux's capabilities, without `CAP_` (capabilities(7)); ALL stands for every one.
CAPABILITIES = frozenset({
    "ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF",
    "CHECKPOINT_RESTORE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID",
    "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE",
    "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE",
    "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG",
    "WAKE_ALARM",
})  # fmt: skip
#: setrlimit(2)'s names, as the Engine knows them.
_ULIMITS = frozenset({
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
    "rss", "rtprio", "rttime", "sigpending", "stack",
})
_DEVICE = re.compile(r"/dev/[^:\0]*(?::/[^:\0]+)?(?::[rwm]{1,3})?")
_PATH = re.compile(r"/[^\0:]*")
_SYSCTL = re.compile(r"[a-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
_PLATFORM = re.compile(r"[a-z0-9]+(?:/[a-z0-9_]+){0,2}")
_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")


class NetworkMode(StrEnum):
    """The network of a container that has none of its own."""

    HOST = "host"  #: the machine's; its owner must allow that
    NONE = "none"  #: none at all


class PullPolicy(StrEnum):
    """When the agent asks the registry for an image."""

    ALWAYS = "always"  #: before each container is made
    MISSING = "missing"  #: where the host does not have it
    NEVER = "never"  #: the image must be on the host


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value.strip("[]")))
    except ValueError:
        raise ValueError(f"{value!r} is no IP address; write e.g. 192.0.2.7 or fd00::7") from None


Address = Annotated[str, AfterValidator(_address)]


def _capability(value: str) -> str:
    if value.upper().removeprefix("CAP_") not in CAPABILITIES:
        raise ValueError(f"{value!r} is no capability of Linux; write e.g. NET_ADMIN or SYS_NICE")
    return value


#: Kept as written: another spelling would change the hash, and with it recreate containers.
Capability = Annotated[str, Field(pattern=r"^[A-Za-z_]+$"), AfterValidator(_capability)]
Device = Annotated[
    str, matching(_DEVICE, "a device; write e.g. /dev/dri or /dev/ttyUSB0:/dev/ttyS0")
]
Inside = Annotated[str, matching(_PATH, "a path inside the container; write e.g. /tmp")]
Sysctl = Annotated[str, matching(_SYSCTL, "a kernel parameter; write e.g. net.core.somaxconn")]
HostName = Annotated[str, matching(_HOST_NAME, "a host name; write e.g. db.example.org")]
Platform = Annotated[str, matching(_PLATFORM, "a platform; write e.g. linux/arm64")]


class Ulimit(Model):
    """A limit of setrlimit(2): one number, or `soft` and `hard`. -1: no limit."""

    soft: int = Field(ge=-1)
    hard: int = Field(ge=-1)

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        return {"soft": value, "hard": value} if isinstance(value, int) else value


def _known_ulimit(value: str) -> str:
    if value not in _ULIMITS:
        known = ", ".join(sorted(_ULIMITS))
        raise ValueError(f"{value!r} is no limit of Linux; use one of {known}")
    return value


class Attachment(Model):
    """The aliases and addresses of a server in one network."""

    aliases: tuple[HostName, ...] = Field(default=(), strict=False)
    ipv4_address: Address | None = None
    ipv6_address: Address | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_nothing(cls, value: Any) -> Any:
        return {} if value is None else value


class Logging(Model):
    """Where the Engine keeps a server's output."""

    driver: Annotated[str, Field(pattern=r"^[a-z][a-z0-9._/:-]*$")] = "json-file"
    options: dict[str, Text] = Field(default={})


def _form(value: object) -> str:
    return "[mapping]" if isinstance(value, dict) else "[list]"


#: Names of networks, or a mapping of names to attachments.
Networks = Annotated[
    Annotated[tuple[Text, ...], Field(strict=False), Tag("[list]")]
    | Annotated[dict[Text, Attachment], Tag("[mapping]")],
    Discriminator(_form),
]


def _paths(value: object) -> object:
    """Turn one path, or a list of paths, into a mapping of paths to options."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        pairs = (str(each).partition(":") for each in value)
        return {path: options for path, _, options in pairs}
    return value


def _gpus(value: object) -> object:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
        return tuple(no_nul(each) for each in value)
    raise ValueError(f"{value!r} names no GPUs; write all, a number, or a list of their ids")


class ContainerOptions(Model):
    """The part of a definition that concerns only its container."""

    entrypoint: Annotated[tuple[Text, ...] | None, BeforeValidator(words)] = Field(
        default=None, strict=False, min_length=1
    )
    working_dir: Inside | None = None
    tty: bool = False
    stdin_open: bool = False
    #: None: the Engine's own init, unless the image has one.
    init: bool | None = None
    platform: Platform | None = None
    pull: Annotated[PullPolicy, one_of(PullPolicy)] = PullPolicy.MISSING
    network_mode: Annotated[NetworkMode, one_of(NetworkMode)] | None = None
    networks: Networks = ()
    extra_hosts: dict[HostName, Text] = Field(default={})
    dns: tuple[Address, ...] = Field(default=(), strict=False)
    dns_search: tuple[HostName, ...] = Field(default=(), strict=False)
    tmpfs: Annotated[dict[Inside, Text], BeforeValidator(_paths)] = Field(default={})
    shm_size: Bytes | None = None
    ulimits: dict[Annotated[str, AfterValidator(_known_ulimit)], Ulimit] = Field(default={})
    sysctls: dict[Sysctl, Text] = Field(default={})
    devices: tuple[Device, ...] = Field(default=(), strict=False)
    gpus: Annotated[Literal["all"] | int | tuple[str, ...], BeforeValidator(_gpus)] | None = None
    cap_add: tuple[Capability, ...] = Field(default=(), strict=False)
    cap_drop: tuple[Capability, ...] = Field(default=(), strict=False)
    group_add: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")], ...] = Field(
        default=(), strict=False
    )
    read_only: bool = False
    security_opt: tuple[Text, ...] = Field(default=(), strict=False)
    logging: Logging | None = None

    @model_validator(mode="after")
    def _one_network(self) -> ContainerOptions:
        if self.network_mode is not None and self.networks:
            raise ValueError(
                f"`network_mode: {self.network_mode}` and `networks:` exclude each other;"
                " keep one of them"
            )
        return self

    @property
    def network_names(self) -> tuple[str, ...]:
        """Name the networks that it joins, in order; the first one gives its default route."""
        return tuple(self.networks)
