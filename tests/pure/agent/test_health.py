"""An update ends well only once its health check passed; others may wait for that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pure.fleets import NOW, later
from tests.pure.plans import container, old, plan_for, planned, see, settled, wanted
from zedops.protocol.sync import Goal
from zedops.spec.dependencies import Condition
from zedops.spec.readiness import LONGEST_S
from zedops_agent.engine import parse
from zedops_agent.health import within_s
from zedops_agent.observed import Container, HealthStatus, Phase
from zedops_agent.readiness import lacks
from zedops_agent.remember import remember

_S = 10**9
DOWN = old(Phase.EXITED, name="f-rosewood-previous")


def fresh(status: HealthStatus, ran_s: float = 20, **facts: Any) -> Container:
    """Make the new container of an update, with a check of at most 60 s."""
    return container(
        health=status, health_within_s=60, started_at=later(-ran_s), **facts
    )


@pytest.mark.parametrize(("check", "seconds"), [
    ({"Test": ["CMD", "a"]}, 180), ({}, 180),
    ({"Retries": 2, "Interval": 5 * _S, "Timeout": _S}, 12),
    ({"StartPeriod": 60 * _S, "Retries": 1, "Interval": _S, "Timeout": _S}, 62),
    ({"StartPeriod": 86_400 * _S}, LONGEST_S), ({"Interval": 0, "Retries": 0, "Timeout": 0}, 180),
])  # fmt: skip
def test_a_checks_own_figures_bound_its_first_success(
    check: dict[str, Any], seconds: float
) -> None:
    assert within_s(check) == seconds


@pytest.mark.parametrize(("status", "ran_s", "cause"), [
    (HealthStatus.UNHEALTHY, 5, "its health check failed"),
    (HealthStatus.UNHEALTHY, 40, "its health check failed"),
    (HealthStatus.STARTING, 60, "its health check did not pass within 60 s"),
])  # fmt: skip
def test_an_update_whose_check_never_passes_goes_back(
    status: HealthStatus, ran_s: float, cause: str
) -> None:
    memory = settled(proven="old")
    plan = plan_for(wanted(), see(fresh(status, ran_s), DOWN), memory)
    assert [f"{type(each).__name__}: {each.cause}" for each in plan.steps] == [f"GiveUp: {cause}"]
    assert plan.comes_back


def test_an_update_waits_for_its_check_and_keeps_the_previous_container_meanwhile() -> None:
    memory = settled(proven="old")
    starting = see(fresh(HealthStatus.STARTING), DOWN)
    assert planned(wanted(), starting, memory) == "again in 40 s"
    assert remember(memory, wanted(), starting, NOW).proven == "old"
    healthy = see(fresh(HealthStatus.HEALTHY), DOWN)
    assert planned(wanted(), healthy, memory) == "remove old (superseded)"
    assert remember(memory, wanted(), healthy, NOW).proven == "new"


@pytest.mark.parametrize("status", list(HealthStatus))
def test_a_check_takes_no_server_down_that_has_nothing_to_go_back_to(
    status: HealthStatus
) -> None:
    for seen, memory in (
        (see(fresh(status, 7200)), settled()),
        (see(fresh(status, 7200), DOWN), settled(bad="1:old")),
        (see(fresh(status, 7200), DOWN), settled(proven="new")),
    ):
        steps = plan_for(wanted(), seen, memory).steps
        assert {type(each).__name__ for each in steps} <= {"Remove"}


def test_a_server_that_is_to_be_stopped_is_not_given_up_on() -> None:
    found = planned(wanted(Goal.STOPPED), see(fresh(HealthStatus.UNHEALTHY), DOWN),
                    settled(proven="old"))
    assert "stop new (desired: stopped)" in found


def test_an_image_without_a_check_proves_itself_by_running() -> None:
    memory = settled(proven="old")
    found = planned(wanted(), see(container(started_at=later(-20)), DOWN), memory)
    assert found == "remove old (superseded)"


@pytest.mark.parametrize(("condition", "containers", "fact"), [
    (Condition.STARTED, [], "to run"), (Condition.STARTED, [container(Phase.EXITED)], "to run"),
    (Condition.STARTED, [fresh(HealthStatus.STARTING)], None),
    (Condition.HEALTHY, [fresh(HealthStatus.STARTING)], "to be healthy"),
    (Condition.HEALTHY, [fresh(HealthStatus.UNHEALTHY)], "to be healthy"),
    (Condition.HEALTHY, [fresh(HealthStatus.HEALTHY)], None),
    (Condition.HEALTHY, [container()], None),
    (Condition.HEALTHY, [DOWN, fresh(HealthStatus.HEALTHY)], None),
])  # fmt: skip
def test_what_a_server_lacks_for_those_that_wait_for_it(
    condition: Condition, containers: list[Container], fact: str | None
) -> None:
    assert lacks(condition, None, containers, settled()) == fact


@pytest.mark.parametrize(("state", "status"), [
    ({}, HealthStatus.NONE), ({"Health": None}, HealthStatus.NONE),
    ({"Health": {"Status": "starting"}}, HealthStatus.STARTING),
    ({"Health": {"Status": "unheard of"}}, HealthStatus.NONE),
])  # fmt: skip
def test_an_unknown_status_is_no_status(state: dict[str, Any], status: HealthStatus) -> None:
    assert parse.health_status(state) is status
