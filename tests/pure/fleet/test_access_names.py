"""A person's rights go by an address, which has no case, or by a fingerprint, which has."""

from __future__ import annotations

import pytest

from zedops.fleet.access import may as has
from zedops.spec.settings import Person, Right

FINGERPRINT = "SHA256:abcDEF"


@pytest.mark.parametrize(("listed", "signs", "may"), [
    ("ann@example.org", "ann@example.org", True),
    ("Ann@Example.org", "ann@example.org", True),
    ("ann@example.org", "ANN@EXAMPLE.ORG", True),
    ("ann@example.org", "ben@example.org", False),
    ("kim@example.org", "\u212aim@example.org", False),  # a Kelvin sign
    (FINGERPRINT, FINGERPRINT, True),
    (FINGERPRINT, FINGERPRINT.lower(), False),
])  # fmt: skip
def test_addresses_are_compared_without_case_and_fingerprints_with_it(
    listed: str, signs: str, may: bool
) -> None:
    people = {listed: Person(may=(Right.CHANGE,))}
    assert has(people, [signs], Right.CHANGE, "servers.d/a.yaml") is may


def test_a_person_in_capitals_does_not_fall_back_to_what_everyone_may() -> None:
    people = {"Ann@example.org": Person(may=(Right.CHANGE,), paths=("servers.d/a.yaml",)),
              "*": Person(may=(Right.CHANGE,))}
    names = ["ann@example.org"]
    assert has(people, names, Right.CHANGE, "servers.d/a.yaml")
    assert not has(people, names, Right.CHANGE, "servers.d/b.yaml")
