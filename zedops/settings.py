"""What people write about a whole fleet: `zedops.yaml`, who may do what in it, who is told."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator

from zedops.fields import Model, Name, Recipient, Seconds, one_of
from zedops.model import Drift

#: A branch's name, of the simple ones among those of git-check-ref-format(1).
_BRANCH = r"^[A-Za-z0-9][A-Za-z0-9_-]*(?:[./][A-Za-z0-9][A-Za-z0-9_-]*)*$"


class Event(StrEnum):
    """What people may want a message about."""

    FAILED = "failed"  #: zedops tried and could not
    MISSING = "missing"  #: a container or its data is gone
    RUNNING = "running"  #: a server runs, or runs again
    RECOVERED = "recovered"  #: one that failed or was missing runs again
    HOST_LOST = "host-lost"  #: a host does not answer
    HOST_BACK = "host-back"  #: it answers again
    PURGE_AHEAD = "purge-ahead"  #: a deleted server's retention ends soon


#: What people hear of unless they say otherwise.
_USUAL_EVENTS = (
    Event.FAILED, Event.MISSING, Event.RECOVERED, Event.HOST_LOST, Event.HOST_BACK,
    Event.PURGE_AHEAD,
)  # fmt: skip


class Notify(Model):
    """Where messages go, and about what."""

    #: An Apprise URL, or `${NAME}`: a variable of the manager that holds the whole of one. Parts
    #: cannot be filled in, or whoever may push could send any of its variables anywhere.
    url: str = Field(repr=False)
    on: tuple[Annotated[Event, one_of(Event)], ...] = Field(
        default=_USUAL_EVENTS, min_length=1, strict=False
    )
    #: So long before a deleted server is purged people hear of it.
    ahead: Seconds = 6 * 3600.0

    @field_validator("url")
    @classmethod
    def _whole(cls, url: str) -> str:
        if re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", url):
            return url
        if "${" in url or not re.match(r"[a-z0-9]+://", url, re.IGNORECASE):
            raise ValueError("is no Apprise URL; write one, or the whole of it as ${NAME}")
        return url


class Right(StrEnum):
    """What a person may do in a fleet that says who may do what."""

    CHANGE = "change"  #: make, change, start, stop, rename and restore servers; all other files
    DELETE = "delete"  #: delete servers; their data stays
    PURGE = "purge"  #: forget deleted servers, and remove their data
    SETTINGS = "settings"  #: `zedops.yaml`, `presets.d/`, and the keys that people sign with


class Person(Model):
    """What one person may do."""

    may: tuple[Annotated[Right, one_of(Right)], ...] = Field(default=(Right.CHANGE,), strict=False)
    #: Files that this goes for, as shell patterns such as `servers.d/mc-*`; all, if none is named.
    #: A deleted server counts as where it was. Settings are not bound by it.
    paths: tuple[str, ...] = Field(default=(), strict=False)


class Settings(Model):
    """`zedops.yaml`: what holds for the whole fleet."""

    name: Name
    hosts: tuple[Name, ...] = Field(default=("local",), min_length=1, strict=False)
    defaults: dict[str, Any] = Field(default={})
    retention: Seconds = 86400.0
    drift: Annotated[Drift, one_of(Drift)] = Drift.HEAL
    #: Host → its public key, for secrets that are kept in the fleet.
    recipients: dict[Name, Recipient] = Field(default={})
    purge_data: bool = False
    #: How many servers with data one push may delete without `-o allow-delete=…`.
    deletion_budget: int = Field(default=3, ge=0)
    #: Take in only commits with a good signature by a key in `allowed_signers` or `keyring.asc`.
    require_signatures: bool = False
    #: Who may do what, by the address or fingerprint that a key stands for; `"*"`: anybody else
    #: with a key. Implies signatures. Without it whoever may push may do everything.
    people: dict[str, Person] = Field(default={})
    #: Who is told when something happens.
    notify: tuple[Notify, ...] = Field(default=(), strict=False)
    #: With an upstream: where zedops commits, if not onto `main`.
    state_branch: Annotated[str, Field(pattern=_BRANCH)] | None = None

    @field_validator("state_branch")
    @classmethod
    def _branch_is_another(cls, branch: str | None) -> str | None:
        if branch == "main" or (branch or "").endswith(".lock"):
            raise ValueError(f"{branch!r} cannot be it; write e.g. zedops-state, or leave it out")
        return branch

    @field_validator("people")
    @classmethod
    def _somebody_may_change_it(cls, people: dict[str, Person]) -> dict[str, Person]:
        if people and not any(Right.SETTINGS in each.may for each in people.values()):
            raise ValueError("nobody could change them again; give somebody `may: [settings]`")
        return people

    @property
    def signed(self) -> bool:
        """Say whether commits must be signed."""
        return self.require_signatures or bool(self.people)

    @field_validator("hosts")
    @classmethod
    def _hosts_differ(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(hosts)) != len(hosts):
            raise ValueError("a host is named twice; name each once")
        return hosts
