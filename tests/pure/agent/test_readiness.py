"""`ready:`: a run counts once it has shown its sign; an update without it goes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from tests.pure.fleets import NOW, later
from tests.pure.plans import HASH, container, old, plan_for, planned, see, settled, wanted
from zedops.protocol.remarks import NOT_READY, STARTING
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.container_options import Logging
from zedops.spec.dependencies import Condition
from zedops.spec.model import Definition, Health, definition_hash
from zedops.spec.readiness import Ready
from zedops_agent.memory import Memory, asked, process
from zedops_agent.observed import Container, HealthStatus, LogLine, Phase
from zedops_agent.readiness import lacks, remark
from zedops_agent.remember import remember

LOG = Ready.model_validate({"log": "Done", "timeout": "60s"})
HEALTH = Ready.model_validate({"health": True, "timeout": "60s"})
DOWN = old(Phase.EXITED, name="f-rosewood-previous")


def asking(ready: Ready | None, **facts: Any) -> DesiredServer:
    """Ask for a server with a sign."""
    want = wanted(**facts)
    definition = want.definition.model_copy(update={"ready": ready})
    return want.model_copy(update={"definition": definition})


def fresh(ran_s: float = 20, **facts: Any) -> Container:
    """Make the new container of an update."""
    return container(**{
        "started_at": later(-ran_s), "log_line": LogLine.AWAITED, **facts,
    })


@pytest.mark.parametrize(("facts", "fault"), [
    ({}, "needs one sign"), ({"log": "a", "health": True}, "needs one sign"),
    ({"health": False}, "True"), ({"log": "(a"}, "without its"), ({"log": ""}, "1 to 300"),
    ({"log": "a", "timeout": "2h"}, "3600"), ({"log": "a", "timeout": "0s"}, "greater than 0"),
])  # fmt: skip
def test_a_sign_is_one_and_bounded(facts: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Ready.model_validate(facts)


def test_a_sign_that_cannot_come_is_refused() -> None:
    with pytest.raises(ValidationError, match="finds no line"):
        Definition(image="a", ready=LOG, logging=Logging(driver="none"))
    with pytest.raises(ValidationError, match="needs a health check"):
        Definition(image="a", ready=HEALTH, health=Health(test=("NONE",)))


def test_a_sign_does_not_change_the_container_and_is_a_request_of_its_own() -> None:
    plain, ready = Definition(image="a"), Definition(image="a", ready=LOG)
    assert definition_hash(plain) == definition_hash(ready)
    assert asked(asking(LOG)) != asked(asking(HEALTH)), "a corrected sign is tried again"
    assert asked(wanted()) == f"{HASH}  ", "as earlier releases have kept it"


@pytest.mark.parametrize(("ready", "facts", "cause"), [
    (LOG, {}, "its log did not show `Done` within 60 s (`ready:`)"),
    (HEALTH, {"health": HealthStatus.STARTING},
     "its health check did not pass within 60 s (`ready:`)"),
    (HEALTH, {"health": HealthStatus.UNHEALTHY},
     "its health check did not pass within 60 s (`ready:`)"),
])  # fmt: skip
def test_an_update_that_never_shows_its_sign_goes_back(
    ready: Ready, facts: dict[str, Any], cause: str
) -> None:
    want, memory = asking(ready), settled(proven="old")
    waiting = plan_for(want, see(fresh(20, **facts), DOWN), memory)
    assert (waiting.steps, waiting.again_at) == ((), later(40))
    late = plan_for(want, see(fresh(60, **facts), DOWN), memory)
    assert [f"{type(each).__name__}: {each.cause}" for each in late.steps] == [f"GiveUp: {cause}"]
    assert late.comes_back


def test_an_update_that_shows_its_sign_ends_well() -> None:
    want, memory = asking(LOG), settled(proven="old")
    shown = see(fresh(20, log_line=LogLine.SHOWN), DOWN)
    known = remember(memory, want, shown, NOW)
    assert (known.ready, known.proven) == (process(shown.containers[0]), "new")
    assert planned(want, shown, known) == "remove old (superseded)"
    again = see(fresh(20), DOWN)  # another agent has read nothing yet, and remembers
    assert remember(known, want, again, NOW).proven == "new"


def test_a_sign_holds_for_one_start() -> None:
    want = asking(LOG)
    first = fresh(20, log_line=LogLine.SHOWN)
    known = remember(settled(proven="new"), want, see(first), NOW)
    second = replace(first, started_at=later(-5), log_line=LogLine.AWAITED)
    assert remark(want, first, known, NOW) is None
    assert str(remark(want, second, known, NOW)).startswith(STARTING)


def test_a_log_that_cannot_be_read_is_no_missing_sign() -> None:
    blind = see(fresh(700, log_line=LogLine.UNREADABLE), DOWN)
    memory = settled(proven="old")
    assert remember(memory, asking(LOG), blind, NOW).proven == "new"
    assert remark(asking(LOG), blind.containers[0], memory, NOW) is None


def test_a_server_that_ran_before_its_sign_was_asked_for_counts_as_ready() -> None:
    want, long_up = asking(LOG), fresh(86_400)
    known = remember(settled(proven="new"), want, see(long_up), NOW)
    assert remark(want, long_up, known, NOW) is None
    never = remember(Memory(), want, see(fresh(20)), NOW)
    assert (never.ready, never.proven) == ("", None)


def test_a_server_that_is_late_runs_on_and_says_so() -> None:
    want, late = asking(LOG), fresh(61)
    assert planned(want, see(late), settled(goal=Goal.RUNNING)) == "nothing"
    said = str(remark(want, late, settled(), NOW))
    assert said.startswith(f"{NOT_READY}its log did not show `Done` within 60 s")
    soon = plan_for(want, see(fresh(20)), settled())
    assert soon.again_at == later(40), "the message changes then"


@pytest.mark.parametrize(("condition", "facts", "lack"), [
    (Condition.STARTED, {}, "to be ready"), (Condition.HEALTHY, {}, "to be ready"),
    (Condition.STARTED, {"log_line": LogLine.SHOWN}, None),
    (Condition.HEALTHY, {"log_line": LogLine.SHOWN, "health": HealthStatus.STARTING},
     "to be healthy"),
    (Condition.STARTED, {"phase": Phase.EXITED}, "to run"),
])  # fmt: skip
def test_servers_wait_for_the_sign_of_those_that_they_depend_on(
    condition: Condition, facts: dict[str, Any], lack: str | None
) -> None:
    assert lacks(condition, LOG, [fresh(**facts)], Memory()) == lack
