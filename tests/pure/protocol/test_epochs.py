"""Which of two documents a host takes: the newer one, unless its epoch cannot be true."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.pure.fleets import NOW
from zedops.protocol.sync import supersedes

TODAY = int(NOW.timestamp())
THIEF = 2**62


@pytest.mark.parametrize(
    ("new", "held", "taken"),
    [
        ((TODAY, 2), (TODAY, 1), True),
        ((TODAY, 1), (TODAY, 2), False),
        ((TODAY, 1), (TODAY, 1), False),
        ((TODAY, 1), (TODAY - 99, 7), True),
        ((TODAY - 99, 7), (TODAY, 1), False),
        ((5, 1), (4, 9), True),
        ((TODAY, 1), (THIEF, 1), True),
        ((THIEF, 1), (TODAY, 1), True),
        ((THIEF, 2), (THIEF, 1), True),
        ((THIEF, 1), (THIEF, 2), False),
    ],
)
def test_which_document_is_taken(
    new: tuple[int, int], held: tuple[int, int], taken: bool
) -> None:
    assert supersedes(new, held, NOW) is taken


def test_a_host_whose_clock_is_years_behind_still_orders_documents() -> None:
    behind = NOW - timedelta(days=20_000)
    assert supersedes((TODAY, 2), (TODAY, 1), behind)
    assert not supersedes((TODAY, 1), (TODAY, 2), behind)
