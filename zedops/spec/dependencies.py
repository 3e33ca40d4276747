"""Which servers start before which others, and where they wait for each other. Pure.

Names and forms are Compose's (`depends_on`). An order counts at a start only: a server that runs
goes on, whatever becomes of those that it waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator

from zedops.spec.fields import Model, Name, one_of


class Condition(StrEnum):
    """What another server has to reach before this one starts."""

    STARTED = "service_started"  #: its container runs
    HEALTHY = "service_healthy"  #: its health check passed; without a check, it runs


class Dependency(Model):
    """One server that starts before this one."""

    condition: Annotated[Condition, one_of(Condition)] = Condition.STARTED


def _from_list(value: object) -> object:
    """Read a list of names as a mapping; every name may stand once."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    if not all(isinstance(each, str) for each in value):
        raise ValueError("is no list of names; write e.g. [db, cache]")
    return {each: {} for each in value}


Dependencies = Annotated[dict[Name, Dependency], BeforeValidator(_from_list)]


def cycle_of(name: str, needs: Mapping[str, Iterable[str]]) -> list[str]:
    """List the names from one back to itself, `[a, b, a]`; empty if it waits for itself nowhere."""
    came_from: dict[str, str] = {}
    left = [name]
    while left:
        here = left.pop()
        for each in needs.get(here, ()):
            if each == name:
                way = [name, here]
                while way[-1] != name:
                    way.append(came_from[way[-1]])
                return way[::-1] if here != name else [name, name]
            if each not in came_from:
                came_from[each] = here
                left.append(each)
    return []
