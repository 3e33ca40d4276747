"""Which servers an act is for: what was named is exact, what was not is looked for."""

from __future__ import annotations

import pytest

from tests.pure.fleets import doc, fleet_of, running
from zedops.errors import UsageError
from zedops.fleet import selection
from zedops.fleet.selection import Wish, unconfirmed, wish
from zedops.spec.settings import Settings

A = doc("servers.d/a.yaml", "image: a\nhost: one\nlabels: {team: blue}\n", running(1))
B = doc("servers.d/attic/b.yaml", "image: a\nhost: two\nlabels: {team: red}\n", running(2))
C = doc("servers.d/attic/deep/c.yaml", "image: a\nhost: two\nlabels: {team: blue}\n", running(3))
D = doc("servers.d/attics/d.yaml", "image: a\nhost: one\n", running(4))
FLEET = fleet_of(A, B, C, D, settings=Settings(name="fleet", hosts=("one", "two")))
POOL = selection.candidates(FLEET, FLEET.servers())


def chosen(wanted: Wish) -> str:
    found = selection.select(POOL, POOL, wanted, lambda name: f"no {name}")
    return " ".join(each.name for each in found)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (wish(["b", "a", "b"]), "b a"),
        (wish(["servers.d/attic/b.yaml"]), "b"),
        (wish(["attic/"]), "b c"),
        (wish(["./servers.d/attic/deep"]), "c"),
        (wish(["servers.d/"]), "a b c d"),
        (wish(["d", "attic/", "b"]), "d b c"),
        (wish([], every=True), "a b c d"),
        (wish([], hosts=["two"]), "b c"),
        (wish([], hosts=["one", "two"]), "a b c d"),
        (wish([], labels=["team"]), "a b c"),
        (wish([], labels=["team=blue"], hosts=["two"]), "c"),
        (wish([], labels=["team", "team=red"]), "b"),
        (wish(["attic/"], labels=["team=red"]), "b"),
        (wish(["a"], hosts=["one"]), "a"),
    ],
)
def test_what_is_wanted_is_chosen_once_and_in_order(wanted: Wish, names: str) -> None:
    assert chosen(wanted) == names


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (wish(["x", "a", "y"]), "no x\nno y"),
        (wish(["cellar/"]), "no server fits cellar/; `zedops list --all` lists all"),
        (wish(["attic/../x/"]), "no server fits attic/../x/; `zedops list --all` lists all"),
        (wish(["attic/"], hosts=["one"]),
         "no server fits attic/ --host one; `zedops list --all` lists all"),
        (wish([], every=True, labels=["team=green"]),
         "no server fits --all --label team=green; `zedops list --all` lists all"),
        (wish(["a"], hosts=["two"]), "a does not fit --host two; leave out the one or the other"),
    ],
)
def test_an_empty_choice_says_what_was_looked_for(wanted: Wish, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(wanted)
    assert str(caught.value) == said


def test_nothing_is_never_everything() -> None:
    with pytest.raises(UsageError, match="no server named"):
        wish([])
    with pytest.raises(UsageError, match="--all leaves nothing for attic/ to add"):
        wish(["attic/"], every=True)


def test_data_goes_only_of_servers_whose_names_were_said() -> None:
    grave, other = (doc(f"tombstones.d/{each}.yaml") for each in ("g", "h"))
    assert unconfirmed([grave, A], [A], ["g", "a"], []) == ["a"]
    assert unconfirmed([grave, A], [A], ["g", "a"], ["a"]) == []
    assert unconfirmed([grave, other], [], ["g"], []) == ["h"]
    assert unconfirmed([grave, other], [], [], ["h"]) == ["g"]
