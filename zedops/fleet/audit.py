"""Writes the audit log: the messages of zedops' own commits. Pure.

The subject of a state commit is for people and `git log --oneline`; its trailers
(git-interpret-trailers(1)) are for programs. With several servers in one commit the trailers
repeat, and each group begins with `Zedops-Server`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from zedops.spec.state import State, Status
from zedops.spec.state_block import format_time, one_line

_NAMED_IN_SUBJECT = 3


@dataclass(frozen=True)
class Transition:
    """The changes of one server since the last commit; `path` is its statuses, oldest first.

    `times` says when each status but the first began, by the clock of its host.
    """

    server: str
    server_id: str
    host: str
    path: tuple[Status | None, ...]
    commit: str | None = None
    message: str | None = None
    purged: bool = False
    times: tuple[datetime, ...] = ()

    def steps(self) -> str:
        """Write the statuses: `creating → running`."""
        if self.purged:
            return "purged"
        kept = [status.value for status in self.path if status is not None]
        moves = [each for at, each in enumerate(kept) if at == 0 or each != kept[at - 1]]
        return " → ".join(moves)


def transition(
    server: str,
    path: Sequence[Status | None],
    state: State,
    *,
    purged: bool = False,
    times: Sequence[datetime] = (),
) -> Transition:
    """Describe the changes of a server that is now in `state`."""
    return Transition(
        server, state.id, state.host or "", tuple(path), state.commit, state.message, purged,
        tuple(times),
    )


def write_message(transitions: Sequence[Transition]) -> str:
    """Write the message of a state commit."""
    ordered = sorted(transitions, key=lambda each: each.server)
    shown = [f"{each.server}: {each.steps()}" for each in ordered[:_NAMED_IN_SUBJECT]]
    more = len(ordered) - len(shown)
    subject = "; ".join(shown) + (f"; and {more} more" if more > 0 else "")
    reasons = [f"{each.server}: {one_line(each.message)}" for each in ordered if each.message]
    trailers = [line for each in ordered for line in _trailers(each)]
    paragraphs = [subject, "\n".join(reasons), "\n".join(trailers)]
    return "\n\n".join(part for part in paragraphs if part) + "\n"


def write_held(servers: Sequence[str]) -> str:
    """Write the message of a commit in which no server changes its status.

    zedops does not follow the newest definitions of `servers`; their states say why.
    """
    if not servers:
        return "zedops: state restored\n"
    more = len(servers) - _NAMED_IN_SUBJECT
    names = ", ".join(sorted(servers)[:_NAMED_IN_SUBJECT])
    rest = f" and {more} more" if more > 0 else ""
    return f"{names}{rest}: not followed, the last good definition goes on\n"


def _trailers(each: Transition) -> list[str]:
    lines = [f"Zedops-Server: {each.server} {each.server_id}"]
    if each.host:
        lines.append(f"Zedops-Host: {each.host}")
    lines.append(f"Zedops-Transition: {each.steps()}")
    moves = each.steps().count(" → ")
    if moves and len(each.times) >= moves:
        lines.append(f"Zedops-At: {' '.join(format_time(at) for at in each.times[-moves:])}")
    if each.commit:
        lines.append(f"Zedops-Commit: {each.commit}")
    return lines
