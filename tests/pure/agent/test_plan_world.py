"""Plans applied to a model world: it converges, whatever people, crashes and clocks do to it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.pure.host_world import BAD, Died, World
from zedops.protocol.sync import Goal
from zedops.spec.model import Drift
from zedops_agent.observed import Phase

# --- what people and fate do

Act = Literal[
    "redefine a", "redefine b", "redefine bad", "redefine unpullable", "want running",
    "want stopped", "want deleted", "want purged",
    "restart", "rebuild", "rename", "docker rm", "docker stop",
    "docker pause", "docker start", "crash", "crash for good", "lose content", "lose directory",
    "put data back", "hide data", "show data", "minutes pass", "report drift",
    "registry down", "registry up", "clock back", "clock forth",
]  # fmt: skip
_COMMITS = ("redefine", "want", "restart", "rebuild", "rename", "report")


def act(world: World, what: Act) -> None:
    """Let something happen to the world."""
    want = world.want
    world.now += timedelta(seconds=1)
    if what.startswith(_COMMITS):
        want = want.model_copy(update={"commit": f"c{world.now.timestamp()}", "created": True})
    token = str(world.now.timestamp())
    match what:
        case "redefine a" | "redefine b" | "redefine bad" | "redefine unpullable":
            want = want.model_copy(update={"hash": f"1:{what.removeprefix('redefine ')}"})
        case "want running" | "want stopped" | "want deleted" | "want purged":
            want = want.model_copy(update={"goal": Goal(what.removeprefix("want "))})
        case "restart" | "rebuild":
            definition = want.definition.model_copy(update={what: token})
            want = want.model_copy(update={"definition": definition})
        case "rename":
            name = "muldraugh" if want.name == "rosewood" else "rosewood"
            want = want.model_copy(update={"name": name})
        case "report drift":
            want = want.model_copy(update={"drift": Drift.REPORT})
        case "minutes pass":
            world.now += timedelta(minutes=20)
        case "clock back":
            world.now -= timedelta(hours=5)
        case "clock forth":
            world.now += timedelta(hours=5)
        case _:
            _fate(world, what)
    world.want = want


def _fate(world: World, what: str) -> None:
    match what:
        case "lose content":
            world.content = False
        case "lose directory":
            world.content = world.marker = world.directory = False
        case "put data back":
            world.content = world.marker = world.directory = True
        case "hide data" | "show data":
            world.readable = what == "show data"
        case "registry down" | "registry up":
            world.registry = what == "registry up"
        case _:
            _by_hand(world, what)


def _by_hand(world: World, what: str) -> None:
    ups = [each for each in world.containers if each.up]
    match what:
        case "docker rm":
            world.containers = world.containers[1:]
        case "docker stop":
            for each in ups:
                world.stop(each.id)
        case "docker pause":
            for each in ups:
                world.put(replace(each, phase=Phase.PAUSED))
        case "docker start":
            for each in world.containers[:1]:
                if world.directory and each.definition != BAD and not ups:
                    world.put(replace(each, phase=Phase.RUNNING, started_at=world.now))
        case "crash" | "crash for good":
            for each in ups:
                more = 1 if what == "crash" else 9
                phase = Phase.RUNNING if what == "crash" else Phase.RESTARTING
                count = each.restart_count + more
                world.put(replace(each, phase=phase, restart_count=count, started_at=world.now))


_ACTS = st.sampled_from(Act.__args__)  # type: ignore[attr-defined]
_STORY = st.lists(
    st.tuples(_ACTS, st.one_of(st.just(10**9), st.integers(0, 8))), min_size=1, max_size=8
)


def live_through(story: list[tuple[Act, int]]) -> World:
    """Let a story happen; the agent works after each act, and may die on the way."""
    world = World()
    world.settle()
    for what, lives in story:
        act(world, what)
        world.lives = lives
        with contextlib.suppress(Died):
            world.settle()
    world.lives = 10**9
    world.settle()
    return world


@settings(max_examples=250)
@given(_STORY)
@example([("redefine a", 10**9), ("redefine b", 10**9)])
@example([("redefine a", 4), ("redefine b", 10**9)])
@example([("redefine a", 6), ("redefine b", 4), ("redefine a", 10**9)])
@example([("redefine a", 6), ("redefine b", 6)])
@example([("redefine bad", 10**9), ("docker stop", 10**9)])
@example([("redefine bad", 10**9), ("redefine a", 10**9)])
@example([("crash for good", 10**9)])
@example([("rename", 10**9)])
@example([("restart", 0), ("rebuild", 10**9)])
@example([("registry down", 0), ("rebuild", 10**9)])
@example([("redefine a", 6), ("clock back", 10**9)])
@example([("redefine unpullable", 10**9), ("clock back", 10**9)])
@example([("crash", 10**9), ("crash", 10**9), ("clock back", 10**9), ("crash", 10**9)])
def test_every_story_ends_at_rest_where_the_definition_wants_it(
    story: list[tuple[Act, int]]
) -> None:
    world = live_through(story)
    plan = world.settle()
    ups = [each for each in world.containers if each.up]
    assert plan.steps == ()
    lost = "world" in world.memory.data_seen and not (world.content and world.marker)
    match world.want.goal:
        case Goal.DELETED:
            assert world.containers == []
        case Goal.PURGED:
            assert world.containers == []
            assert not world.directory
        case Goal.STOPPED:
            assert ups == []
        case _ if world.readable and not lost and world.memory.failure is None:
            if world.want.drift is Drift.HEAL:
                assert [each.definition for each in ups] == [world.want.hash]
                assert world.containers == ups
                assert ups[0].name == f"f-{world.want.name}"


@given(_STORY)
def test_data_goes_only_when_people_take_it(story: list[tuple[Act, int]]) -> None:
    taking = ("lose content", "lose directory", "want purged")
    world = live_through([each for each in story if each[0] not in taking])
    assert world.directory
    assert world.content or "world" not in world.memory.data_seen


@given(st.lists(st.integers(0, 6), max_size=4))
def test_a_restart_is_done_until_it_is_answered_and_then_not_again(deaths: list[int]) -> None:
    world = live_through([("restart", lives) for lives in deaths] + [("restart", 10**9)])
    done = len(world.restarts)
    world.settle()
    assert len(world.restarts) == done
    assert world.memory.restart == world.want.definition.restart
