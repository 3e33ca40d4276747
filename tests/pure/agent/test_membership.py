"""A host stays in its fleet: a token of another one with that name does not take it over."""

from __future__ import annotations

from pathlib import Path

import pytest

from zedops.errors import UsageError
from zedops_agent import membership
from zedops_agent.membership import Membership

MINE = Membership(
    fleet="home", host="attic", urls=("tls://a:4222",), ca="PEM A", credentials="1"
)


def test_joining_again_with_a_new_key_is_no_question(tmp_path: Path) -> None:
    membership.save(tmp_path, MINE)
    again = MINE.model_copy(update={"credentials": "2", "urls": ("tls://b:4222",)})
    membership.save(tmp_path, again)
    assert membership.load(tmp_path, "home") == again


@pytest.mark.parametrize("fields", [
    {"ca": "PEM B"}, {"host": "cellar"}, {"ca": None, "urls": ("tls://b:4222",)},
])
def test_another_fleet_of_that_name_is_refused_unless_it_is_meant(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    membership.save(tmp_path, MINE)
    other = MINE.model_copy(update=fields)
    with pytest.raises(UsageError, match=r"already \(as attic, its manager at tls://a:4222\)"):
        membership.save(tmp_path, other)
    assert membership.load(tmp_path, "home") == MINE
    membership.save(tmp_path, other, replace=True)
    assert membership.load(tmp_path, "home") == other


def test_what_cannot_be_read_is_not_replaced_by_chance(tmp_path: Path) -> None:
    where = membership.save(tmp_path, MINE)
    where.write_text("half of")
    with pytest.raises(UsageError, match="cannot be read"):
        membership.save(tmp_path, MINE)
    membership.save(tmp_path, MINE, replace=True)
    assert membership.load(tmp_path, "home") == MINE


def test_two_fleets_of_different_names_are_side_by_side(tmp_path: Path) -> None:
    membership.save(tmp_path, MINE)
    membership.save(tmp_path, MINE.model_copy(update={"fleet": "work", "ca": "PEM B"}))
    assert membership.fleets(tmp_path) == ["home", "work"]
