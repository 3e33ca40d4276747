"""States the facts about one server for the manager. Pure; the manager decides what they mean."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args

from zedops.protocol.remarks import UNHEALTHY
from zedops.protocol.sync import Activity, ContainerFacts, DesiredServer, Goal, ServerReport
from zedops.spec.state_block import brief
from zedops_agent.failures import RETRY_MAX_S
from zedops_agent.memory import Memory, matches
from zedops_agent.observed import Container, Observed, Phase
from zedops_agent.readiness import remark
from zedops_agent.steps import (
    Create,
    MakeData,
    Plan,
    Pull,
    Remove,
    RemoveData,
    Start,
    StopContainer,
    WorldStep,
)

#: The length of a failure's text in messages, so that the words after it stay visible.
_TEXT_MAX = 750
#: Messages give the time until the next try in these steps.
_SOON = (timedelta(minutes=1), timedelta(seconds=RETRY_MAX_S), timedelta.max)
#: Steps of a backup or restore, with those around it.
_WORLD_KINDS = {*get_args(WorldStep), StopContainer, Start, MakeData}


def make_report(
    want: DesiredServer,
    seen: Observed,
    memory: Memory,
    plan: Plan,
    note: str | None,
    activity: Activity | None,
    now: datetime,
) -> ServerReport:
    """State the facts about one server. Pure."""
    telling = [
        each for each in seen.containers
        if want.goal.ends
        or each.up
        or (_stands(each, want, memory) and each.phase is not Phase.REMOVING)
    ]
    shown = max(telling, key=lambda each: (each.up, matches(each, want)), default=None)
    is_current = shown is not None and matches(shown, want)
    # an update that goes back says that alone
    waits = remark(want, shown, memory, now) if shown is not None and activity is None else None
    told = plan.lost or note or waits or _health(shown)
    failure = plan.refused or _failure(memory, shown, is_current=is_current)
    return ServerReport(
        id=want.id,
        at=now,
        container=_facts(shown) if shown else None,
        data_exists=seen.data_exists,
        data_lost=plan.lost is not None,
        activity=activity,
        failure=brief(failure) if failure else None,
        note=brief(told) if told else None,
        about=want.commit,
        goal=want.goal,
        applied=is_current and activity is None and memory.failure is None and not plan.refused,
    )


def _health(shown: Container | None) -> str | None:
    if shown is None or not shown.running or not shown.unhealthy:
        return None
    return f"{UNHEALTHY}it runs, and its health check fails; its log may say why"


def _failure(memory: Memory, shown: Container | None, *, is_current: bool) -> str | None:
    """Describe the failure, its effect on players, and the wait until the next try.

    The wait has coarse steps: a time of day would be a commit for each attempt.
    """
    failure = memory.failure
    if failure is None:
        return None
    text = failure.text if len(failure.text) <= _TEXT_MAX else f"{failure.text[:_TEXT_MAX]}…"
    if shown is not None and shown.running and not is_current:
        text += "; the previous container runs on"
    rests = failure.goal is Goal.STOPPED and shown is not None and not shown.running
    if failure.retry_at is not None and failure.at is not None and not rests:
        within = next(each for each in _SOON if failure.retry_at - failure.at <= each)
        text += f"; next try within {within.seconds // 60 or 60} min"
    return text


def _stands(each: Container, want: DesiredServer, memory: Memory) -> bool:
    """Say whether a container at rest is the server: the right one, or the one to replace.

    If a person removed the right container, the former one does not count: the server is missing.
    """
    if each.unfinished:
        return False
    return matches(each, want) or each.definition == want.hash or memory.applied != want.hash


def _facts(container: Container) -> ContainerFacts:
    return ContainerFacts(
        id=container.id,
        running=container.running,
        image=container.image,
        exit_code=container.exit_code,
        oom_killed=container.oom_killed,
    )


def begins(plan: Plan) -> Activity | None:
    """Say what an agent is about to do, before its steps say more."""
    if plan.backs_up:
        return Activity.BACKUP
    return Activity.OTHER if plan.steps or plan.pending else None


def activity_of(plan: Plan, want: DesiredServer) -> Activity | None:
    """Say how far the steps of a plan bring a server, for its status."""
    kinds = {type(step) for step in plan.steps}
    if plan.backs_up and kinds <= _WORLD_KINDS:
        return Activity.BACKUP
    if plan.pending:
        return Activity.OTHER
    if kinds & {Pull, Create}:
        return Activity.CREATING
    if want.goal.ends and kinds & {StopContainer, Remove, RemoveData}:
        return Activity.REMOVING
    return Activity.OTHER if kinds - {Remove} else None
