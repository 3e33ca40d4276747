"""Keeps failures of what was asked for, and the waits before the next try. Pure.

A failure belongs to its request, never to a commit or a container. Another request forgets it.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.memory import PROVEN_S, Failure, Memory, asked

#: Waits between attempts: 1 s, doubled each time, up to 5 min.
RETRY_FIRST_S = 1.0
RETRY_MAX_S = 300.0
#: These words begin the log in a failure's text; the log differs each time.
LAST_LINES = "; last log lines:"
_NO_RETURN = "; the previous container does not start either:"
#: An id that the Engine makes up for each try.
_AN_ID = re.compile(r"[0-9a-f]{12,}")


def failed(
    memory: Memory, want: DesiredServer, text: str, now: datetime, *, retry: bool,
    ran_s: float | None = None, served: bool = False,
) -> Memory:
    """Record a failed attempt; `retry` is False if a previous container comes back instead.

    `ran_s` is the length of the run before a crash; None for other failures. Waits double, but a
    wait after a long run is no longer than the run. The same failure as before keeps its text, so
    that not each attempt becomes a commit.
    """
    before, crashed = memory.failure, ran_s is not None
    attempts = max(before.attempts if before else 0, memory.tries if crashed else 0) + 1
    wait_s = _wait_s(attempts)
    if ran_s is not None and ran_s >= PROVEN_S:
        wait_s = min(wait_s, ran_s)
    wait_until = now + timedelta(seconds=wait_s)
    if before is not None and before.retry_at is None and not retry:
        # no container runs: try both the new and the previous one again, until one of them runs
        retry, served = True, False
        text = f"{before.text.partition(_NO_RETURN)[0]}{_NO_RETURN} {text}"
    if before is not None and _gist(before.text) == _gist(text):
        text = before.text
    failure = Failure(
        text=text,
        commit=want.commit,
        hash=want.hash,
        asked=asked(want),
        goal=want.goal,
        attempts=attempts,
        at=now,
        crashed=crashed,
        served=served or (before is not None and before.served and before.retry_at is not None),
        retry_at=wait_until if retry else None,
        not_before=wait_until,
    )
    tries = attempts if crashed else memory.tries
    return memory.model_copy(update={"failure": failure, "tries": tries})


def _gist(text: str) -> str:
    return _AN_ID.sub("", text.partition(LAST_LINES)[0])


def for_request(memory: Memory, want: DesiredServer, now: datetime) -> Memory:
    """Forget failures and crashes of an earlier request.

    The commit does not count: after a restart, the manager may name another one. A server that was
    stopped meanwhile and must run again gets a try at once.
    """
    failure, wish = memory.failure, asked(want)
    was = failure.asked if failure and failure.asked else memory.asked
    known = failure.hash if failure else was.partition(" ")[0]
    if (was and was != wish) or (known and known != want.hash):
        is_bad = failure is not None or bool(memory.crashes)
        bad = known if is_bad and known != want.hash else memory.bad
        none = {"failure": None, "crashes": (), "tries": 0, "asked": wish, "bad": bad}
        return memory.model_copy(update=none)
    update: dict[str, object] = {} if memory.asked == wish else {"asked": wish}
    if failure is not None and want.goal.ends and failure.goal is not want.goal:
        update["failure"] = None
    elif failure is not None and (failure.asked, failure.goal) != (wish, want.goal):
        again = failure.retry_at if want.goal is not Goal.RUNNING else failure.retry_at and now
        changed = {"asked": wish, "goal": want.goal, "retry_at": again}
        update["failure"] = failure.model_copy(update=changed)
    return memory.model_copy(update=update) if update else memory


def left_s(again_at: datetime, now: datetime) -> float:
    """Compute the remaining wait: never above the longest one, though the clock was set back."""
    return max(0.0, min((again_at - now).total_seconds(), RETRY_MAX_S))


def in_reach(failure: Failure, now: datetime) -> Failure:
    """Limit the remaining waits to their intended length, though the clock was set back."""
    latest = now + timedelta(seconds=_wait_s(failure.attempts))
    times = {"retry_at": failure.retry_at, "not_before": failure.not_before}
    return failure.model_copy(update={key: at and min(at, latest) for key, at in times.items()})


def _wait_s(attempts: int) -> float:
    doublings = min(attempts - 1, 16)  # a float cannot hold the doublings of a week
    return min(RETRY_FIRST_S * 2.0**doublings, RETRY_MAX_S)
