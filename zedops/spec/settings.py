"""The models of `zedops.yaml`: settings of the whole fleet, rights of people, messages."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from zedops.spec.backup import OWN, Repository
from zedops.spec.fields import Key, Model, Name, Recipient, Seconds, one_of
from zedops.spec.model import Drift
from zedops.spec.timetable import find_zone
from zedops.spec.web_settings import WebSettings

#: A simple branch name: a subset of git-check-ref-format(1).
_BRANCH = r"^[A-Za-z0-9][A-Za-z0-9_-]*(?:[./][A-Za-z0-9][A-Za-z0-9_-]*)*$"


class Event(StrEnum):
    """The events that messages report."""

    FAILED = "failed"  #: zedops tried and failed
    MISSING = "missing"  #: a container or its data is gone
    RUNNING = "running"  #: a server started, or runs again
    RECOVERED = "recovered"  #: a failed or missing server runs again
    HOST_LOST = "host-lost"  #: a host does not answer
    HOST_BACK = "host-back"  #: it answers again
    PURGE_AHEAD = "purge-ahead"  #: a deleted server's retention ends soon
    BACKUP = "backup"  #: a backup, restore or proof failed, looks too small, or is overdue


#: The default events.
_USUAL_EVENTS = (
    Event.FAILED, Event.MISSING, Event.RECOVERED, Event.HOST_LOST, Event.HOST_BACK,
    Event.PURGE_AHEAD, Event.BACKUP,
)  # fmt: skip


class Notify(Model):
    """One receiver of messages, and its events."""

    #: An Apprise URL, or `${NAME}`: a variable of the manager that holds a whole one. A variable as
    #: a part of a URL is refused: a person with push rights could send any variable anywhere.
    url: str = Field(repr=False)
    on: tuple[Annotated[Event, one_of(Event)], ...] = Field(
        default=_USUAL_EVENTS, min_length=1, strict=False
    )
    #: How long before the purge of a deleted server the message goes out.
    ahead: Seconds = 6 * 3600.0

    @field_validator("url")
    @classmethod
    def _whole(cls, url: str) -> str:
        if re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", url):
            return url
        if "${" in url or not re.match(r"[a-z0-9]+://", url, re.IGNORECASE):
            raise ValueError("is no Apprise URL; write one, or the whole of it as ${NAME}")
        return url


#: Begins the name of a group of an OpenID provider in `people:`. No key has such a name, so it
#: gives rights on the web page, and none to push.
GROUP = "group:"


def person_key(name: str) -> str:
    """Make the form in which names of people are compared: addresses without case.

    Fingerprints of keys keep their case. Only ASCII letters are alike, so no look-alike is.
    """
    return name.encode().lower().decode() if "@" in name else name


class Right(StrEnum):
    """A right of a person, in a fleet with `people`."""

    CHANGE = "change"  #: make, change, start, stop, rename and restore servers; all other files
    DELETE = "delete"  #: delete servers; their data stays
    PURGE = "purge"  #: forget deleted servers, and remove their data
    SETTINGS = "settings"  #: `zedops.yaml`, `presets.d/`, and the keys that people sign with
    EXEC = "exec"  #: a terminal in a server's container, on the web page; needs no commit


class Person(Model):
    """The rights of one person."""

    may: tuple[Annotated[Right, one_of(Right)], ...] = Field(default=(Right.CHANGE,), strict=False)
    #: The files that these rights cover, as shell patterns such as `servers.d/mc-*`; all if empty.
    #: A deleted server counts at its former path. The right to settings ignores this.
    paths: tuple[str, ...] = Field(default=(), strict=False)


def _known_zone(name: str) -> str:
    if find_zone(name) is None:
        raise ValueError(f"{name!r} is no timezone; write e.g. Europe/Berlin, or UTC")
    return name


class Settings(Model):
    """`zedops.yaml`: settings of the whole fleet."""

    name: Name
    hosts: tuple[Name, ...] = Field(default=("local",), min_length=1, strict=False)
    defaults: dict[str, Any] = Field(default={})
    retention: Seconds = 86400.0
    drift: Annotated[Drift, one_of(Drift)] = Drift.HEAL
    #: Host → its public key, for encrypted secrets in the fleet.
    recipients: dict[Name, Recipient] = Field(default={})
    #: The timezone of schedules, by its name in the tz database.
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    purge_data: bool = False
    #: Repositories for backups, by names that `backup.repository` of definitions gives.
    backups: dict[Key, Repository] = Field(default={})
    #: How many servers with data one push may delete without `-o allow-delete=…`.
    deletion_budget: int = Field(default=3, ge=0)
    #: Accept only commits with a good signature by a key in `allowed_signers` or `keyring.asc`.
    require_signatures: bool = False
    #: Rights by the address or fingerprint of a key; `"*"`: any other person with a key;
    #: `group:NAME`: on the web page, a group of its OpenID provider. Implies signatures. Without
    #: it every person who may push may do everything.
    people: dict[str, Person] = Field(default={})
    #: The receivers of messages.
    notify: tuple[Notify, ...] = Field(default=(), strict=False)
    #: The web page: its URL, and the ways to log in.
    web: WebSettings = WebSettings()
    #: With an upstream: the branch for zedops' commits, if not `main`.
    state_branch: Annotated[str, Field(pattern=_BRANCH)] | None = None

    @field_validator("backups")
    @classmethod
    def _own_is_kept(cls, backups: dict[str, Repository]) -> dict[str, Repository]:
        if OWN in backups:
            raise ValueError(f"{OWN!r} is each host's own repository; choose another name")
        return backups

    @field_validator("state_branch")
    @classmethod
    def _branch_is_another(cls, branch: str | None) -> str | None:
        if branch == "main" or (branch or "").endswith(".lock"):
            raise ValueError(f"{branch!r} cannot be the state branch; write e.g. zedops-state")
        return branch

    @field_validator("people")
    @classmethod
    def _somebody_may_change_it(cls, people: dict[str, Person]) -> dict[str, Person]:
        if people and not any(Right.SETTINGS in each.may for name, each in people.items()
                              if not name.startswith(GROUP)):
            raise ValueError("no person may change the settings; give one `may: [settings]`")
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
