"""Which servers wait for which others at a start, and where they wait for each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


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
