"""The model of a definition, the part of a server's file that people write.

`document` parses each file once, at the border, into these frozen models; `state` has the other
part. This module reads no files, no clock and no network.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from zedops.spec.backup import Backup, World
from zedops.spec.container_options import ContainerOptions
from zedops.spec.dependencies import Dependencies
from zedops.spec.fields import (
    SERVER_ID,
    Bytes,
    EnvKey,
    EnvName,
    Image,
    Key,
    Model,
    Name,
    Sealed,
    Seconds,
    Text,
    once,
    one_of,
    probe,
    shell_lines,
    words,
)
from zedops.spec.port import Port, spread
from zedops.spec.readiness import Ready
from zedops.spec.volume import Volume

#: Labels under this prefix carry zedops' own bookkeeping on a container.
LABEL_PREFIX = "zedops."


class Desired(StrEnum):
    """The condition that a definition asks for."""

    RUNNING = "running"
    STOPPED = "stopped"


class Drift(StrEnum):
    """The reaction to a container that differs from the definition."""

    HEAL = "heal"
    REPORT = "report"


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
    #: None: a server that runs is ready.
    ready: Annotated[Ready, once()] | None = None
    depends_on: Dependencies = Field(default={})
    restart: Text | None = None
    rebuild: Text | None = None
    #: A container of the host, by name or id: zedops takes it over unchanged if it matches.
    adopt: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] | None = None
    drift: Annotated[Drift, one_of(Drift)] | None = None
    #: None: backups on request only, with every default.
    backup: Annotated[Backup, once()] | None = None
    world: World | None = None
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

    @model_validator(mode="after")
    def _readiness_shows(self) -> Definition:
        driver = self.logging.driver if self.logging is not None else ""
        if self.ready is not None:
            self.ready.check(driver, self.health.test[0] if self.health is not None else "")
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
    "moved_from", "pull", "backup", "world", "depends_on", "ready",
}  # fmt: skip


def definition_hash(definition: Definition) -> str:
    """Hash the fields that shape the container: `1:<20 hex digits>`.

    The hash leaves out defaults: a newer zedops with more fields computes the same value for an old
    definition and recreates nothing. The leading number changes only if this rule changes.
    """
    shape = definition.model_dump(mode="json", exclude=_NOT_IN_HASH, exclude_defaults=True)
    text = json.dumps(shape, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "1:" + hashlib.sha256(text.encode()).hexdigest()[:20]
