"""All walks of a list in one fleet: one death after the other, or all failures at once. For tests.

Where manager and agent are two processes it is the agent that dies: these points are all its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest

from tests.machine import Machine
from tests.system.apart import Apart
from tests.system.walks import BY_HAND, Walk, Walker, met, renamed
from zedops.system import failpoints

#: Where walks are taken.
SETTINGS = (
    pytest.param(Machine, id="one-host"),
    pytest.param(Apart, id="over-nats", marks=pytest.mark.nats),
)


def each_in_turn(walker: Walker, walks: Sequence[Walk]) -> set[Walk]:
    """Do one after the other, each time dying at its point; returns those that did die.

    The next one begins while the one before still recovers.
    """
    machine, died = walker.machine, set()
    orders = machine.folder / "orders"
    orders.touch()
    walker.begin(str(orders))
    walker.prepare((each.verb, each.name) for each in walks)
    for each in walks:
        orders.write_text(each.order(failpoints.KILL))
        walker.do(each.verb, each.name)
        if each.verb not in BY_HAND:
            walker.push(str(each))
        with suppress(AssertionError):  # its own test tells of it
            machine.wait_for(lambda: machine.died)
            died.add(each)
        orders.write_text("")
        machine.down(kill=True)
        machine.up(str(orders))
        machine.pull()
    walker.push_again()
    return died


def all_failing(walker: Walker, walks: Sequence[Walk]) -> None:
    """Do everything in one push, while each fails for good at its own point.

    Deaths would get into each other's way so; failures do not. Then what was broken is mended, and
    whoever needs to be asked again is.
    """
    machine = walker.machine
    orders = machine.folder / "orders"
    orders.touch()
    walker.begin()
    walker.prepare((each.verb, each.name) for each in walks)
    machine.down()
    machine.up(str(orders))
    orders.write_text("\n".join(each.order(failpoints.ALWAYS) for each in walks))
    for each in walks:
        walker.do(each.verb, each.name)
    walker.push("everything")
    missing = {f"{each.point}@{renamed(each.verb, each.name)}" for each in walks}
    machine.wait_for(lambda: missing <= met(orders) or machine.died, 120)
    assert not machine.died
    machine.pull()
    orders.write_text("")
    for each in walks:
        if each.verb in ("create", "update", "restore", "start"):
            walker.try_again(each.name)
    walker.push("again")
