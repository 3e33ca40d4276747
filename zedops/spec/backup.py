"""The models of backups: what a definition asks for, and a fleet's repositories. Pure.

A repository's address goes to restic as it is. Its password and credentials are values on the
host, never in git.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from zedops.spec import timetable
from zedops.spec.bring import checked as names_host
from zedops.spec.fields import EnvKey, Key, Model, Seconds, Text, Utc, shell_lines
from zedops.spec.quantities import parse_duration

#: The repository that every host has by itself, in its data root.
OWN = "host"
#: The shortest time between two scheduled backups: each may stop the server.
LEAST_EVERY_S = 300.0
#: The shortest time between two scheduled proofs: each restores the whole world.
LEAST_PROVE_S = 3600.0
_AT = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")
#: `rest:https://ann:word@nas/` (RFC 3986, userinfo); `sftp:ann@nas:` has a name and no password.
_PASSWORD_IN_URL = re.compile(r"://[^/@]*:[^/@]*@")
#: What a `restore:` of a world says: a snapshot or a time, and when it was asked for.
_RESTORE = re.compile(r"(?P<what>[^\s(][^(]*?)(?: \((?P<asked>[^()]*)\))?")


def _time_of_day(value: str) -> str:
    if not _AT.fullmatch(value):
        raise ValueError(f"{value!r} is no time of day; write e.g. \"04:30\"")
    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _pattern(value: str) -> str:
    if not value.strip() or value.startswith("!") or "\n" in value or "\0" in value:
        raise ValueError(f"{value!r} is no pattern of files; write e.g. \"*.jar\" or logs/")
    return value


class Keep(Model):
    """How many snapshots stay."""

    last: int = Field(default=4, ge=1, le=10_000)
    daily: int = Field(default=7, ge=0, le=10_000)
    weekly: int = Field(default=4, ge=0, le=10_000)
    monthly: int = Field(default=6, ge=0, le=10_000)


class Quiesce(Model):
    """How a world comes to rest while restic reads it."""

    how: Literal["stop", "none", "commands"] = "stop"
    before: Annotated[
        tuple[Annotated[tuple[Text, ...], Field(strict=False)], ...], BeforeValidator(shell_lines)
    ] = Field(default=(), strict=False)
    after: Annotated[
        tuple[Annotated[tuple[Text, ...], Field(strict=False)], ...], BeforeValidator(shell_lines)
    ] = Field(default=(), strict=False)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in ("stop", "none"):
                raise ValueError(
                    f"{value!r} is neither stop nor none; write one of them,"
                    " or {before: [commands], after: [commands]}"
                )
            return {"how": value}
        if isinstance(value, dict) and value and "how" not in value:
            return {"how": "commands", **value}
        return value

    @model_validator(mode="after")
    def _commands_exist(self) -> Quiesce:
        if self.how == "commands" and not self.before:
            raise ValueError("`before` is empty; name the commands that make the server save")
        return self


def _interval(value: object) -> float | str:
    if isinstance(value, str) and timetable.is_line(value):
        return timetable.checked(value, LEAST_EVERY_S)
    return parse_duration(value)


#: A duration, or a cron line.
Interval = Annotated[
    float | str,
    BeforeValidator(_interval),
    PlainSerializer(lambda every: every if isinstance(every, str) else f"{every:.3f}s"),
    WithJsonSchema({"type": "string"}),
]


class Backup(Model):
    """How a server's world is backed up."""

    #: The time between two backups; or a cron line, in the fleet's timezone.
    every: Interval | None = None
    #: Times of the day, in the fleet's timezone.
    at: Annotated[
        tuple[Annotated[str, AfterValidator(_time_of_day)], ...], BeforeValidator(_listed)
    ] = Field(default=(), strict=False)
    keep: Keep = Keep()
    #: A name from `backups:` in zedops.yaml, or `host`: the host's own.
    repository: Key = OWN
    #: Patterns of restic, matched at any depth of a volume.
    exclude: tuple[Annotated[Text, AfterValidator(_pattern)], ...] = Field(
        default=(), strict=False
    )
    quiesce: Quiesce = Quiesce()
    #: How often the newest snapshot is started beside the server, as a proof.
    prove: Seconds | None = None

    @model_validator(mode="after")
    def _schedule_is_one(self) -> Backup:
        if self.every is not None and self.at:
            raise ValueError("has both `every` and `at`; keep one of them")
        if isinstance(self.every, float) and self.every < LEAST_EVERY_S:
            raise ValueError(f"`every` is below {LEAST_EVERY_S / 60:.0f} minutes; make it longer")
        if self.prove is not None and self.prove < LEAST_PROVE_S:
            raise ValueError("`prove` is below 1 hour; make it longer, e.g. 7d")
        return self

    @property
    def scheduled(self) -> bool:
        """Say whether the host makes backups by itself."""
        return self.every is not None or bool(self.at)


def _restorable(value: str) -> str:
    match = _RESTORE.fullmatch(value)
    if match is None or wanted(value) is None:
        raise ValueError(
            f"{value!r} is no snapshot and no time; write `latest`, a snapshot's id,"
            " or e.g. 2026-11-30T20:00:00Z"
        )
    return value


class World(Model):
    """Acts on a world: a change of a value acts once, as with `restart`."""

    backup: Text | None = None
    prove: Text | None = None
    #: A snapshot, a time, or `latest`; in brackets behind it when it was asked for.
    restore: Annotated[Text, AfterValidator(_restorable)] | None = None
    #: The server whose snapshots `restore` means, by id. Default: this one.
    of: Annotated[str, Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")] | None = None
    #: The host whose world zedops brings to `host`; in brackets behind it when it was asked for.
    bring: Annotated[Text, AfterValidator(names_host)] | None = None


def wanted(restore: str) -> str | datetime | None:
    """Read what a `restore` asks for: `latest`, a snapshot's id, or a time; None: none of them."""
    match = _RESTORE.fullmatch(restore)
    what = match["what"] if match else ""
    if what == "latest" or _SNAPSHOT.fullmatch(what):
        return what
    try:
        at = datetime.fromisoformat(what)
    except ValueError:
        return None
    return at if at.tzinfo else None


def asked_at(restore: str) -> datetime | None:
    """Read when a `restore` was asked for, as the command writes it; None if it does not say."""
    match = _RESTORE.fullmatch(restore)
    with suppress(ValueError):
        at = datetime.fromisoformat((match and match["asked"]) or "")
        return at if at.tzinfo else None
    return None


def _address(value: str) -> str:
    if not value or value.startswith("-") or not value.isprintable():
        raise ValueError(f"{value!r} is no address of a repository; write it as for `restic -r`")
    if not (value.startswith("/") or ":" in value) or ".." in value.split("/"):
        raise ValueError(f"{value!r} is neither an absolute path nor an address of restic")
    if _PASSWORD_IN_URL.search(value):
        raise ValueError(
            "holds a password, which git would keep; write it without, and give the host"
            " RESTIC_REST_PASSWORD in `secrets`"
        )
    return value


#: Variables of restic that zedops sets itself.
_OURS = ("RESTIC_REPOSITORY", "RESTIC_PASSWORD", "RESTIC_CACHE_DIR", "RESTIC_PASSWORD_FILE",
         "RESTIC_PASSWORD_COMMAND", "RESTIC_REPOSITORY_FILE", "PATH", "HOME", "LD_PRELOAD")


def _credential(value: str) -> str:
    if value in _OURS or value.startswith("LD_"):
        raise ValueError(f"{value!r} is set by zedops; leave it out")
    return value


class Repository(Model):
    """A restic repository of the fleet."""

    #: As for `restic -r`: /srv/backups, sftp:ann@nas:/backups, rest:https://nas/, s3:…
    address: Annotated[Text, AfterValidator(_address)]
    #: Variables for restic whose values are on the host, such as AWS_SECRET_ACCESS_KEY.
    secrets: tuple[Annotated[EnvKey, AfterValidator(_credential)], ...] = Field(
        default=(), strict=False
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"address": value} if isinstance(value, str) else value


class LastBackup(Model):
    """The last good backup, as a state has it: time, snapshot, size, and its proof."""

    at: Utc
    snapshot: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    size_bytes: Annotated[int, Field(ge=0)]
    files: Annotated[int, Field(ge=0)]
    #: The last proof: its time, and the snapshot that really started.
    proven_at: Utc | None = None
    proven: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")] | None = None

    def __str__(self) -> str:
        text = f"{_time(self.at)} {self.snapshot} {self.size_bytes}b {self.files}"
        if self.proven_at is None or self.proven is None:
            return text
        return f"{text} proven {_time(self.proven_at)} {self.proven}"


_LAST = re.compile(
    r"(\S{20}) ([0-9a-f]{8}) (\d{1,18})b (\d{1,12})(?: proven (\S{20}) ([0-9a-f]{8}))?"
)


def read_last(text: str) -> LastBackup:
    """Read what `str` of a LastBackup wrote. ValueError for any other text."""
    match = _LAST.fullmatch(text)
    if match is None:
        raise ValueError("is no backup as zedops writes it")
    at, snapshot, size, files, proven_at, proven = match.groups()
    return LastBackup(
        at=datetime.fromisoformat(at), snapshot=snapshot, size_bytes=int(size), files=int(files),
        proven_at=datetime.fromisoformat(proven_at) if proven_at else None, proven=proven,
    )


def checked_last(text: str) -> str:
    """Check the text of a state's last backup. ValueError for any other text."""
    read_last(text)
    return text


def _time(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def next_at(backup: Backup, last: datetime, zone: str = "UTC") -> datetime | None:
    """Compute when the next scheduled backup is due after one at `last`; None without a schedule.

    A time that passed while the host was off is due at once, and once (`timetable`).
    """
    if isinstance(backup.every, float):
        return last + timedelta(seconds=backup.every)
    lines = [backup.every] if backup.every is not None else map(timetable.daily, backup.at)
    return timetable.next_run(lines, last, zone)
