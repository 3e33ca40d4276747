"""Every point between two effects is one that some test walks past: none is forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from tests.system import (
    test_faults_of_backups,
    test_faults_of_many,
    test_faults_of_pushes,
    test_moves,
    test_upstream,
    walks,
)
from zedops.system import failpoints
from zedops_agent import steps

ROOT = Path(__file__).resolve().parents[2]
#: A step that always ends in an error of its own; `giveup.stopped` comes before that. And a step
#: for an Engine that was killed at one moment of a start (tests/docker/test_engine_lost_track).
NEVER = {"step.GiveUp", "step.EndAstray"}
STEPS = {f"{failpoints.STEP}{each.__name__}" for each in get_args(steps.Step)}


def points_in_code() -> Iterator[str]:
    """Find every `failpoints.point("…")`."""
    for folder in ("zedops", "agent/zedops_agent"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name("failpoints"), attr="point"),
                        args=[ast.Constant(value=str(name))],
                    ):
                        yield name


def test_every_point_in_the_code_is_listed_once_and_every_listed_one_is_in_the_code() -> None:
    assert sorted(points_in_code()) == sorted(failpoints.ALL)


def test_every_point_is_walked_past() -> None:
    walked = {each.point for each in walks.WALKS}
    pushes = test_faults_of_pushes
    walked |= {*pushes.PUSHED, *pushes.AT_START, *pushes.QUIET}
    walked |= {*test_faults_of_many.AWAY}
    backups = test_faults_of_backups
    walked |= {*backups.BACKED_UP, *backups.RESTORED, *backups.PUT_BACK, *backups.ENDED,
               *backups.PROVED}
    walked |= {*backups.BACKED_UP, *backups.RESTORED, *backups.PUT_BACK, *backups.ENDED}
    moves = test_moves
    walked |= {*moves.GIVEN, *moves.TAKEN, *moves.CARRIED, *moves.RETURNED}
    joining = (ROOT / "tests/nats/test_authority_files.py").read_text()
    joining += (ROOT / "tests/nats/test_joining.py").read_text()
    walked |= {each for each in failpoints.JOIN_POINTS if each in joining}
    assert "failpoints.UPSTREAM_POINTS" in Path(test_upstream.__file__).read_text()
    walked |= set(failpoints.UPSTREAM_POINTS)
    assert (set(failpoints.ALL) | STEPS) - walked == NEVER
