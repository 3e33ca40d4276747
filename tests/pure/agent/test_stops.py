"""How a container is stopped: commands, signal, grace, kill, going on with what was begun."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pure.fleets import NOW, doc, fleet_of, later
from tests.pure.plans import container, see, settled, wanted
from zedops.fleet.checks import LONGEST_GRACE_S, check
from zedops.protocol.findings import Verdict
from zedops.protocol.sync import Goal
from zedops.spec import stop_signals
from zedops.spec.model import Drift, Stop
from zedops_agent import shutdown
from zedops_agent.container_spec import ContainerSecrets, create_arguments
from zedops_agent.draining import drained
from zedops_agent.kills import Kills
from zedops_agent.memory import Memory
from zedops_agent.observed import Container, Image, Phase
from zedops_agent.plan import make_plan
from zedops_agent.remember import remember
from zedops_agent.steps import Plan, Start, StopContainer
from zedops_agent.stops import (
    COMMAND_S,
    KILLED_S,
    Move,
    Stopping,
    left_s,
    next_move,
    stopped,
)

ASKED = Stop(commands=(("say", "bye"), ("save",))).model_copy(update={"grace": 20.0})
BEGUN_S = 1000.0


def asking(grace_s: float) -> Stop:
    """Ask for a grace."""
    return Stop().model_copy(update={"grace": grace_s})


def begun(process: Container | None = None, **facts: Any) -> Stopping:
    """Begin the stop of a process."""
    of = process or container()
    known = Stopping(
        container=of.id, started_at=of.started_at, begun_at=NOW, since_s=BEGUN_S
    )
    return known.model_copy(update=facts)


def move(at_s: float = 0.0, process: Container | None = None, **facts: Any) -> Move:
    """Decide what a stop does next, so long after the newest thing it did."""
    return next_move(begun(**facts), process or container(), ASKED, BEGUN_S + at_s)


def signalled(at_s: float, asked: Stop, **facts: Any) -> Move:
    """Decide what follows a signal that the Engine took."""
    sent = begun(commands=2, signal="SIGTERM", sent=True, **facts)
    return next_move(sent, container(), asked, BEGUN_S + at_s)


def test_commands_come_one_after_the_other_and_then_the_signal() -> None:
    assert move() is Move.COMMAND
    assert move(commands=1, command="e1") is Move.HOLD
    assert move(commands=1) is Move.COMMAND
    assert move(commands=2, command="e2") is Move.HOLD
    assert move(commands=2) is Move.SIGNAL


def test_a_command_that_never_returns_delays_the_signal_by_its_own_limit_alone() -> None:
    assert move(COMMAND_S - 1, commands=2, command="e2") is Move.HOLD
    assert move(COMMAND_S, commands=1, command="e1") is Move.COMMAND
    assert move(COMMAND_S, commands=2, command="e2") is Move.SIGNAL


def test_the_signal_always_gets_its_full_grace() -> None:
    assert signalled(19.9, ASKED) is Move.WAIT
    assert signalled(20.0, ASKED) is Move.KILL


def test_a_grace_that_was_corrected_counts_at_once() -> None:
    assert signalled(5.0, asking(3600.0)) is Move.WAIT
    assert signalled(5.0, asking(1.0)) is Move.KILL
    assert signalled(25.0, asking(60.0)) is Move.WAIT


def test_a_signal_whose_answer_was_lost_is_looked_into_before_anything_else() -> None:
    assert move(60.0, commands=2, signal="SIGTERM") is Move.SIGNAL


def test_a_paused_process_goes_on_before_it_is_told_anything() -> None:
    paused = container(Phase.PAUSED)
    assert move(process=paused) is Move.UNPAUSE
    assert move(60.0, paused, commands=2, signal="SIGTERM", sent=True) is Move.UNPAUSE


def test_another_process_of_the_container_is_not_what_the_stop_was_for() -> None:
    again = container(started_at=later(5))
    assert move(process=again, signal="SIGTERM", sent=True) is Move.RESTARTED


def test_what_does_not_run_needs_nothing_more() -> None:
    for phase in (Phase.EXITED, Phase.CREATED, Phase.DEAD, Phase.REMOVING):
        assert move(process=container(phase)) is Move.ENDED


def test_what_outlives_its_kill_is_said_after_a_while() -> None:
    assert signalled(KILLED_S - 1, ASKED, killed_at=NOW) is Move.WAIT
    assert signalled(KILLED_S, ASKED, killed_at=NOW) is Move.GIVE_UP


@given(st.floats(0, 10**7), st.floats(0, 10**7), st.floats(0, LONGEST_GRACE_S))
def test_a_clock_that_began_again_never_shortens_a_grace(
    since_s: float, now_s: float, grace_s: float
) -> None:
    left = left_s(begun(since_s=since_s, signal="SIGTERM"), asking(grace_s), now_s)
    assert left >= grace_s - max(0.0, now_s - since_s) - 0.001
    assert left <= max(grace_s, 0.1)


def test_how_it_ended_is_told_by_the_containers_own_times() -> None:
    ended = container(Phase.EXITED, exit_code=0, finished_at=later(1))
    late = begun(signal="SIGTERM", sent=True, killed_at=later(20))
    # the Engine told late, and the kill came when the process had ended long before
    assert str(stopped(late, ended)) == "stopped in 1.0 s, exit code 0"
    killed = container(Phase.EXITED, exit_code=137, finished_at=later(20.1))
    assert str(stopped(late, killed)) == (
        "killed after 20 s, its grace ran out; it may have lost progress"
    )


def test_an_end_by_someone_elses_kill_is_told_as_that() -> None:
    killed = container(Phase.EXITED, exit_code=137, finished_at=later(3))
    assert str(stopped(begun(signal="SIGTERM", sent=True), killed)) == (
        "stopped in 3.0 s, exit code 137: something else killed it; it may have lost progress"
    )


def test_a_stop_is_remembered_until_its_process_has_ended() -> None:
    memory = Memory(stopping=begun(signal="SIGTERM", sent=True))
    assert remember(memory, wanted(), see(container()), NOW).stopping == memory.stopping
    for seen in (
        see(), see(container(Phase.EXITED)), see(container(started_at=NOW + timedelta(seconds=9)))
    ):
        assert remember(memory, wanted(), seen, NOW).stopping is None


# --- what a container is made with, and what a push may ask for


@pytest.mark.parametrize(("stop", "made"), [
    (Stop(), ("SIGTERM", 30)),
    (Stop(signal="SIGRTMIN+3").model_copy(update={"grace": 90.2}), ("SIGRTMIN+3", 91)),
    (Stop(signal="SIGFOO").model_copy(update={"grace": 0.2}), ("SIGTERM", 1)),
])  # fmt: skip
def test_the_engine_knows_signal_and_grace_for_the_stops_that_zedops_does_not_make(
    stop: Stop, made: tuple[str, int]
) -> None:
    want = wanted()
    want = want.model_copy(update={"definition": want.definition.model_copy(update={"stop": stop})})
    image = Image("sha256:1", "", ())
    places = {"world": "/w"}
    config, _, _ = create_arguments("f", want, "f-rosewood", places, image, ContainerSecrets())
    assert (config["stop_signal"], config["stop_timeout"]) == made


@pytest.mark.parametrize(("name", "number"), [
    ("SIGTERM", 15), ("SIGRTMIN", 34), ("SIGRTMIN+3", 37), ("SIGRTMAX-14", 50), ("SIGFOO", None),
    ("SIGRTMIN+16", None), ("SIGRTMAX-0", None), ("TERM", None),
])  # fmt: skip
def test_signals_are_known_by_the_engines_names(name: str, number: int | None) -> None:
    assert stop_signals.number(name) == number


@pytest.mark.parametrize(("stop", "said"), [
    ("{signal: SIGFOO}", [(
        "servers.d/a.yaml:2:8: stop.signal: 'SIGFOO' is no signal that stops a container; use e.g."
        " SIGTERM, SIGINT or SIGQUIT; `man 7 signal` lists them"
    )]),
    ("{signal: SIGSTOP}", [(
        "servers.d/a.yaml:2:8: stop.signal: 'SIGSTOP' is no signal that stops a container; use e.g."
        " SIGTERM, SIGINT or SIGQUIT; `man 7 signal` lists them"
    )]),
    ("{grace: 36500d}", [(
        "servers.d/a.yaml:2:8: stop.grace: 36500 d is longer than 60 min; say how long a save"
        " takes at worst, e.g. 2m: nothing else happens meanwhile"
    )]),
    ("{grace: 1h, signal: SIGINT}", []),
])  # fmt: skip
def test_a_stop_that_cannot_work_is_refused_at_the_push(stop: str, said: list[str]) -> None:
    fleet = fleet_of(doc("servers.d/a.yaml", f"image: a\nstop: {stop}\n"))
    assert [str(each) for each in check(fleet, fleet.documents)] == said


# --- what else ends a server


def test_a_kill_that_nothing_saw_is_told_once_its_server_runs_again() -> None:
    kills, again = Kills(), see(container(started_at=later(5)))
    kills.hear("a", "new", "die", "0", _ns(1))
    assert kills.told("a", again, by_zedops=None) is None
    kills.hear("a", "new", "die", "137", _ns(1))
    assert kills.told("a", see(container(Phase.EXITED)), by_zedops=None) is None
    assert str(kills.told("a", again, by_zedops=None)).startswith("it was killed (exit code 137)")
    assert kills.told("a", again, by_zedops=None) is None
    kills.hear("a", "new", "oom", "", _ns(1))
    kills.hear("a", "new", "die", "137", _ns(1))
    assert "out of memory" in str(kills.told("a", again, by_zedops=None))
    kills.hear("a", "new", "die", "137", _ns(1))
    assert kills.told("a", again, by_zedops="new") is None  # zedops' own stop has told it
    assert kills.told("a", again, by_zedops=None) is None


def _ns(seconds: int) -> int:
    return int(later(seconds).timestamp()) * 10**9


@pytest.mark.parametrize(("span", "seconds"), [
    ("1min 30s", 90.0), ("1h 10s", 3610.0), ("500ms", 0.5), ("infinity", None), ("", None),
])  # fmt: skip
def test_times_are_read_as_systemd_shows_them(span: str, seconds: float | None) -> None:
    assert shutdown.seconds(span) == seconds


def test_the_checkup_says_where_a_shutdown_leaves_servers_no_time_to_save() -> None:
    slow = wanted().definition.model_copy(update={"stop": asking(120.0)})
    tells = wanted().definition.model_copy(update={"stop": Stop(commands=(("save",),))})
    found = shutdown.judge((slow,), 90.0, is_drained=False)
    assert found is not None
    assert found.verdict is Verdict.WARNING
    assert "may take 2 min to save" in found.fact
    assert "TimeoutStopSec=130" in found.remedy
    told = shutdown.judge((tells,), None, is_drained=False)
    assert told is not None
    assert "runs no `stop.commands`" in told.fact
    for servers, engine_s, is_drained in (((slow, tells), 90.0, True), ((slow,), 130.0, False)):
        good = shutdown.judge(servers, engine_s, is_drained=is_drained)
        assert good is not None
        assert good.verdict is Verdict.GOOD
    assert shutdown.judge((), 90.0, is_drained=False) is None



def test_what_was_drained_is_started_again_whatever_drift_says() -> None:
    want = wanted(drift=Drift.REPORT)
    plan, memory = drained(want, see(container()), settled(want))
    assert [type(each) for each in plan.steps] == [StopContainer]
    rest, memory = drained(want, see(container(Phase.EXITED)), memory)
    assert rest == Plan(note="this host is drained: it is started again when zedops is")
    again = make_plan("f", want, see(container(Phase.EXITED)), memory, NOW)
    assert [type(each) for each in again.steps] == [Start]
    assert again.note == "started again after a drain"


def test_a_drain_leaves_alone_what_does_not_run() -> None:
    want = wanted(goal=Goal.STOPPED)
    memory = settled(want)
    assert drained(want, see(container(Phase.EXITED)), memory) == (Plan(), memory)
