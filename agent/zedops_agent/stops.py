"""The progress of a container's stop, and its next move: commands, signal, grace, kill. Pure.

zedops keeps the progress on disk, so that its next process goes on with the stop. A server that
saves its world must not get the signal twice, and its grace runs from the first one. Times are
`time.monotonic()`: all processes of a machine share it, and no change of the clock moves it. After
a reboot it begins at 0, so a grace can only get longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from zedops.protocol.message import Message
from zedops.spec.model import Stop
from zedops.spec.quantities import format_duration
from zedops_agent.observed import Container, Phase

#: The time for one stop command; a slower one goes on, and ends with the container.
COMMAND_S = 30.0
#: A killed container ends within this time, unless its host is in trouble.
KILLED_S = 120.0
#: The time to react to a signal, even without any grace.
_LEAST_S = 0.1
#: The exit code of a process that SIGKILL ended (128 + 9).
SIGKILLED = 137


class Stopping(Message):
    """A stop of one process of one container that has begun."""

    container: str
    started_at: datetime | None  #: of the process
    begun_at: datetime  #: by the clock, for the length of the stop
    since_s: float  #: the beginning of the newest command, the signal or the kill
    commands: int = 0  #: the number of commands that have begun
    command: str | None = None  #: the Engine's id of the one that runs
    signal: str | None = None  #: chosen, and perhaps not sent yet
    sent: bool = False  #: the Engine took the signal
    killed_at: datetime | None = None

    def is_of(self, process: Container) -> bool:
        """Say whether this is the stop of that process."""
        return (self.container, self.started_at) == (process.id, process.started_at)


@dataclass(frozen=True)
class Stopped:
    """The end of a container. Killed means that its grace ran out: progress may be lost."""

    exit_code: int
    took_s: float
    killed: bool

    def __str__(self) -> str:
        """Describe the end for people."""
        took = format_duration(self.took_s)
        if self.killed:
            return f"killed after {took}, its grace ran out; it may have lost progress"
        said = f"stopped in {took}, exit code {self.exit_code}"
        if self.exit_code == SIGKILLED:
            said += ": something else killed it; it may have lost progress"
        return said


class Move(Enum):
    """The next move of a stop."""

    ENDED = "ended"  #: it is over
    RESTARTED = "restarted"  #: another process of the container is up: look again, decide again
    UNPAUSE = "unpause"  #: a paused process hears no signal and saves nothing
    COMMAND = "command"  #: run the next command
    HOLD = "hold"  #: wait for the command that runs
    SIGNAL = "signal"
    WAIT = "wait"  #: the grace has not run out
    KILL = "kill"
    GIVE_UP = "give up"  #: the container is up despite the kill


def next_move(begun: Stopping, process: Container, asked: Stop, now_s: float) -> Move:
    """Decide the next move of a stop, by the newest stop settings of the definition."""
    if not process.up:
        return Move.ENDED
    if not begun.is_of(process):
        return Move.RESTARTED
    if process.phase is Phase.PAUSED:
        return Move.UNPAUSE
    if begun.signal is None:
        if begun.command is not None and now_s < begun.since_s + COMMAND_S:
            return Move.HOLD
        return Move.COMMAND if begun.commands < len(asked.commands) else Move.SIGNAL
    if not begun.sent:
        return Move.SIGNAL
    return Move.WAIT if left_s(begun, asked, now_s) > 0 else (
        Move.GIVE_UP if begun.killed_at else Move.KILL
    )


def left_s(begun: Stopping, asked: Stop, now_s: float) -> float:
    """Compute the time that the container has left; a corrected grace counts at once."""
    most = KILLED_S if begun.killed_at else max(asked.grace, _LEAST_S)
    # the clock begins again at a reboot: a time in the future is from before it
    return min(most, most - (now_s - begun.since_s))


def stopped(begun: Stopping, process: Container) -> Stopped:
    """Describe a container's end by its own times: a busy Engine sends events late."""
    code, at = process.exit_code or 0, process.finished_at or begun.begun_at
    killed_at = begun.killed_at
    killed = killed_at is not None and code == SIGKILLED and at >= killed_at
    return Stopped(code, max(0.0, (at - begun.begun_at).total_seconds()), killed)
