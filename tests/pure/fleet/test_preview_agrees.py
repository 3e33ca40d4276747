"""What is foretold in a push is what the agent then plans: any edit of a server that is at rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pure.fleets import NOW, doc, fleet_of, later, running
from zedops.fleet.fleet import desired_server
from zedops.fleet.preview import Effect, preview
from zedops.protocol.sync import DesiredServer
from zedops_agent.container_spec import ceilings
from zedops_agent.memory import Memory
from zedops_agent.observed import Container, DataVolume, Observed, Phase, Presence
from zedops_agent.plan import make_plan
from zedops_agent.remember import reached
from zedops_agent.steps import Create, Restart, Start, StopContainer

PATH = "servers.d/a.yaml"
#: What the agent does about each effect, of the steps that people notice.
STEPS: dict[Effect, tuple[type, ...]] = {
    Effect.NOTHING: (),
    Effect.IN_PLACE: (),
    Effect.RESTART: (Restart,),
    Effect.STOP: (StopContainer,),
}

fields = st.fixed_dictionaries(
    {"image": st.sampled_from(["x", "y"])},
    optional={
        "desired": st.sampled_from(["running", "stopped"]),
        "restart": st.sampled_from(["1", "2"]),
        "rebuild": st.sampled_from(["1", "2"]),
        "drift": st.sampled_from(["heal", "report"]),
        "hostname": st.sampled_from(["h", "i"]),
        "stop": st.sampled_from(["{grace: 5s}", "{signal: SIGINT}"]),
        "limits": st.sampled_from(["{memory: 64MiB}", "{pids: 9}"]),
        "env": st.sampled_from(["{A: '1'}", "{A: '2'}"]),
    },
)


def written(values: dict[str, str]) -> str:
    """Write a definition with a world."""
    quoted = {"restart", "rebuild"}
    lines = [f'{key}: "{value}"' if key in quoted else f"{key}: {value}"
             for key, value in values.items()]
    return "\n".join([*lines, "volumes: {world: /data}"]) + "\n"


def at_rest(want: DesiredServer) -> tuple[Observed, Memory]:
    """Observe a server that is where its definition wants it."""
    up = want.goal == "running"
    made = Container(
        id="c", name="fleet-a", phase=Phase.RUNNING if up else Phase.EXITED, definition=want.hash,
        rebuild=want.definition.rebuild or "", image="sha256:1", started_at=later(-600),
        ceilings=ceilings(want.definition),
    )
    world = DataVolume("world", Presence.PRESENT, Presence.PRESENT)
    memory = reached(Memory(data_seen=("world",), restart=want.definition.restart), want)
    return Observed((made,), (world,), Presence.PRESENT), memory


@st.composite
def edits(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str]]:
    """Make a definition, and the same with a field or two changed or removed."""
    was, other = draw(fields), draw(fields)
    changed = draw(st.sets(st.sampled_from(sorted({*was, *other, "image"})), max_size=2))
    now = {**was, **{key: other[key] for key in changed if key in other}}
    return was, {key: each for key, each in now.items() if key in other or key not in changed}


@settings(max_examples=300)
@given(edits())
def test_what_is_foretold_is_what_is_planned(edit: tuple[dict[str, str], dict[str, str]]) -> None:
    was, now = edit
    before, after = (fleet_of(doc(PATH, written(each), running(1))) for each in (was, now))
    told = preview(before, after, {PATH})[0]
    first, then = (desired_server(each, each.documents[PATH], "c") for each in (before, after))
    assert first is not None
    assert then is not None
    seen, memory = at_rest(first)
    assert make_plan("fleet", first, seen, memory, NOW).steps == ()
    kinds = {type(step) for step in make_plan("fleet", then, seen, memory, NOW).steps}
    noticed = kinds & {Create, Restart, Start, StopContainer}
    if told.effect is Effect.RECREATE:
        assert Create in noticed
    elif told.effect is Effect.START:
        assert noticed in ({Start}, {Restart})  # of what stands still, a restart is a start
    else:
        assert noticed == set(STEPS[told.effect]), told


@pytest.mark.parametrize("effect", [*STEPS, Effect.START, Effect.RECREATE])
def test_every_one_of_these_effects_can_be_told(effect: Effect) -> None:
    edits: dict[Effect, dict[str, Any]] = {
        Effect.NOTHING: {}, Effect.IN_PLACE: {"drift": "heal"}, Effect.RESTART: {"restart": "2"},
        Effect.START: {"desired": "running"}, Effect.STOP: {"desired": "stopped"},
        Effect.RECREATE: {"hostname": "h"},
    }
    was = {"image": "x", **({"desired": "stopped"} if effect is Effect.START else {})}
    before = fleet_of(doc(PATH, written(was), running(1)))
    after = fleet_of(doc(PATH, written({**was, **edits[effect]}), running(1)))
    assert preview(before, after, {PATH})[0].effect is effect
