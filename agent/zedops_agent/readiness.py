"""What a run must show before it counts: time, a health check, and the sign of `ready:`. Pure.

An update that does not show it goes back, as one that crashes does, and servers that depend on it
wait. Without a container to go back to, a server that is not ready runs on: a wrong check must not
take a server down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from zedops.protocol.remarks import NOT_READY, STARTING
from zedops.protocol.sync import DesiredServer
from zedops.spec.dependencies import Condition
from zedops.spec.readiness import Ready
from zedops_agent.memory import PROVEN_S, Memory, began, matches, may_return, process, ran_s
from zedops_agent.observed import Container, HealthStatus, LogLine, Observed

_PASSED = (HealthStatus.NONE, HealthStatus.HEALTHY)


@dataclass(frozen=True)
class Check:
    """One thing that a run must show."""

    passed: bool
    within_s: float
    late: str  #: the fact once its time is over
    failed: str | None = None  #: the fact that ends its time at once
    is_ready: bool = False  #: it is the sign of `ready:`


def checks(ready: Ready | None, memory: Memory, container: Container) -> Iterator[Check]:
    """List what a run must show."""
    healthy = container.health in _PASSED
    if ready is not None and ready.health:
        late = f"its health check did not pass within {ready.timeout:g} s (`ready:`)"
        yield Check(healthy, ready.timeout, late, is_ready=True)
    else:
        within_s = container.health_within_s
        late = f"its health check did not pass within {within_s:.0f} s"
        unhealthy = "its health check failed" if container.unhealthy else None
        yield Check(healthy, within_s, late, unhealthy)
    if ready is not None and ready.log:
        shown = memory.ready == process(container) or container.log_line is not LogLine.AWAITED
        late = f"its log did not show `{ready.log}` within {ready.timeout:g} s (`ready:`)"
        yield Check(shown, ready.timeout, late, is_ready=True)


def is_proven(
    ready: Ready | None, memory: Memory, container: Container, now: datetime
) -> bool:
    """Say whether a container has proven itself: it ran long enough, and passed every check."""
    long_enough = ran_s(memory, container, now) >= PROVEN_S
    return long_enough and all(each.passed for each in checks(ready, memory, container))


def replaces(
    ready: Ready | None, current: Container, previous: Container | None, memory: Memory,
    now: datetime,
) -> bool:
    """Say whether a container may outlive the previous one, which then goes for good."""
    if not may_return(previous, memory):  # there is no way back
        return ran_s(memory, current, now) >= PROVEN_S
    return is_proven(ready, memory, current, now)


def never_passed(
    ready: Ready | None, current: Container, previous: Container | None, memory: Memory,
    now: datetime,
) -> str | None:
    """Say why an update ends at one of its checks; None: it goes on."""
    if not may_return(previous, memory) or current.id == memory.proven:
        return None
    return overdue(ready, current, memory, now)


def overdue(
    ready: Ready | None, current: Container, memory: Memory, now: datetime
) -> str | None:
    """Say which check a run has failed, or has not passed in its time; None: none."""
    for each in checks(ready, memory, current) if current.running else ():
        if each.failed is not None:
            return each.failed
        if not each.passed and now >= _end(each, memory, current, now):
            return each.late
    return None


def deadlines(
    ready: Ready | None, memory: Memory, container: Container, now: datetime
) -> list[datetime]:
    """List when the checks that have not passed yet must have passed."""
    waiting = (each for each in checks(ready, memory, container) if not each.passed)
    return [_end(each, memory, container, now) for each in waiting]


def _end(check: Check, memory: Memory, container: Container, now: datetime) -> datetime:
    begun = began(memory, container.started_at, now) if container.started_at else now
    return begun + timedelta(seconds=check.within_s)


def is_starting(ready: Ready | None, memory: Memory, container: Container) -> bool:
    """Say whether a container runs, and has not shown the sign of `ready:` yet."""
    signs = (each for each in checks(ready, memory, container) if each.is_ready)
    return container.running and not all(each.passed for each in signs)


def remark(
    want: DesiredServer, container: Container, memory: Memory, now: datetime
) -> str | None:
    """Say what a server that runs has not shown yet; None if it is ready."""
    ready = want.definition.ready
    if ready is None or not matches(container, want) or not is_starting(ready, memory, container):
        return None
    if late := overdue(ready, container, memory, now):
        return f"{NOT_READY}{late}; it runs on, and its log may say why"
    sign = "its health check" if ready.health else f"`{ready.log}` in its log"
    return f"{STARTING}it runs, and waits for {sign}"


def lacks(
    condition: Condition, ready: Ready | None, containers: Sequence[Container], memory: Memory
) -> str | None:
    """Say what a server lacks for those that wait for it; None: they may start."""
    up = next((each for each in containers if each.running), None)
    if up is None:
        return "to run"
    if is_starting(ready, memory, up):
        return "to be ready"
    if condition is Condition.HEALTHY and up.health not in _PASSED:
        return "to be healthy"
    return None


def known_ready(memory: Memory, want: DesiredServer, seen: Observed, now: datetime) -> str:
    """Name the process that was ready last.

    A process that has proven itself before `ready:` was asked for counts as ready: its first lines
    may be gone.
    """
    if want.definition.ready is None or not want.definition.ready.log:
        return memory.ready
    for each in seen.containers:
        if not each.running or not matches(each, want):
            continue
        is_old = not memory.ready and each.id == memory.proven and memory.applied == want.hash
        if each.log_line is LogLine.SHOWN or (is_old and ran_s(memory, each, now) >= PROVEN_S):
            return process(each)
    return memory.ready
