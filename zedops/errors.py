"""Every error that zedops raises on purpose, in one tree.

    ZedopsError               1   expected: one line for the person, never a traceback
    ├── InvalidInput          1   problems in files of a fleet, all of them at once
    ├── UsageError            2   the command line asks for something impossible
    ├── GitFailed             1   a git command failed
    │   ├── RaceLost          1   another writer moved the ref: look again, then retry
    │   └── HubOutdated       1   the hub is older than its upstream, as from a backup
    ├── EngineFailed          1   the Docker Engine refused a step
    │   ├── EngineUnreachable 1   could not look; nothing may be inferred from it
    │   └── LookOutdated      1   the container went away meanwhile: look again, then retry
    ├── DataAtRisk            1   going on could harm a world: stop and say so
    │   └── RootGone          1   the data root is missing, or another one than before
    │       └── RootUnseen    1   could not look at the data root: unknown, not gone
    ├── NotKept               1   the disk did not take a record that zedops depends on
    ├── AgentAtWork           1   another agent works for the fleet on this host
    ├── HostUnavailable       1   no agent answers for that host
    │   └── DoorClosed        1   the manager is another user's: unknown whether it runs
    ├── VersionMismatch       1   the other side speaks another version of the protocol
    │   └── NewerDefinition   1   a definition says what only a newer host understands
    ├── Interrupted         130   a person pressed Ctrl-C; the message says what goes on
    ├── CommandFailed         1   a command in a container did not end with 0
    ├── Refused               1   a host may not join, and why
    ├── InvalidToken          1   a text is no token to join with
    └── ServerFailed          1   nats-server cannot be found, started or reloaded

The number is the exit code. A message names the place, the fact and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in one file. Line and column count from 1; 0 means the whole file."""

    path: str
    line: int
    column: int
    field: str
    fact: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        subject = f"{self.field}: " if self.field else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        line = f"{place}: {subject}{self.fact}{remedy}"
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


class ZedopsError(Exception):
    """An expected failure. `exit_code` is what the command line ends with."""

    exit_code = 1


class InvalidInput(ZedopsError):
    """Files of a fleet that cannot be used, with every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(ZedopsError):
    """The command line contradicts itself or names what does not exist."""

    exit_code = 2


class GitFailed(ZedopsError):
    """A git command failed; the message carries git's own words."""


class RaceLost(GitFailed):
    """The ref moved between reading and writing it. Look again and retry."""


class HubOutdated(GitFailed):
    """The upstream has states that this hub lacks, as after a restore from a backup."""


class EngineFailed(ZedopsError):
    """The Docker Engine refused a step; the message carries its own words."""


class EngineUnreachable(EngineFailed):
    """The Docker Engine did not answer. Says nothing about what runs there."""


class LookOutdated(EngineFailed):
    """A container went away between looking and acting. Not a failure: look again."""


class DataAtRisk(ZedopsError):
    """Going on could create a fresh world over a lost one, or touch another owner's data."""


class RootGone(DataAtRisk):
    """The data root is missing or another one. Until it is back, zedops starts nothing."""


class RootUnseen(RootGone):
    """The data root cannot be looked at, so zedops starts nothing. Says nothing about loss."""


class PersistFailed(ZedopsError):
    """A record could not be written to disk, so zedops does not act on it."""


class AgentAtWork(ZedopsError):
    """Another agent of the fleet works in this place."""


class HostUnavailable(ZedopsError):
    """No agent answers for the host."""


class DoorClosed(HostUnavailable):
    """This user may not ask the manager. Says nothing about whether one runs."""


class VersionMismatch(ZedopsError):
    """Manager and agent speak different versions of the protocol; upgrade the older one."""


class NewerDefinition(VersionMismatch):
    """A host does not understand a definition, so it takes nothing of the whole document."""

    servers: tuple[str, ...] = ()  #: their ids


class Interrupted(ZedopsError):
    """A person pressed Ctrl-C. The message says whether anything changed and still goes on."""

    exit_code = 130


class CommandFailed(ZedopsError):
    """A command in a server's container exited with another code than 0."""


class Refused(ZedopsError):
    """A host may not join; the message tells that host the reason."""


class InvalidToken(ZedopsError):
    """A text is no token to join with, or only a part of one."""


class ServerFailed(ZedopsError):
    """The NATS server cannot be found, started or reloaded; the message carries its own words."""
