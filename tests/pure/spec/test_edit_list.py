"""A host that comes or goes changes one item of `hosts:` and no other byte of the settings."""

from __future__ import annotations

import pytest

from zedops.spec import loader
from zedops.spec.edit import add_item, add_key, remove_item
from zedops.spec.places import Source


def _source(text: str) -> Source:
    return loader.load("zedops.yaml", text)


BOTH = [
    ("hosts: [a]\n", "hosts: [a, b]\n"),
    ("name: x\nhosts: [a]   # mine\n", "name: x\nhosts: [a, b]   # mine\n"),
    ("hosts:\n  - a\ndrift: heal\n", "hosts:\n  - a\n  - b\ndrift: heal\n"),
    ("hosts:\n- a  # first\n\n# more\nx: y\n", "hosts:\n- a  # first\n- b\n\n# more\nx: y\n"),
    ("hosts:\r\n  - a\r\ndrift: heal\r\n", "hosts:\r\n  - a\r\n  - b\r\ndrift: heal\r\n"),
    ("# ü🎮\nhosts: [ 'a' ]\n", "# ü🎮\nhosts: [ 'a', b]\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), [
    *BOTH, ("name: x", "name: x\nhosts: [b]\n"), ("hosts: [a,]\n", "hosts: [a, b]\n"),
])  # fmt: skip
def test_an_item_is_added_in_the_style_of_the_list(before: str, after: str) -> None:
    made = add_item(_source(before), before, "hosts", "b")
    assert made == after
    assert _source(made).data["hosts"][-1] == "b"


@pytest.mark.parametrize(("before", "after"), BOTH)
def test_an_item_is_removed_and_the_rest_stays(before: str, after: str) -> None:
    left = remove_item(_source(after), after, "hosts", "b")
    assert _source(left).data == _source(before).data
    assert left.count("#") == before.count("#")


def test_the_first_item_can_go_too() -> None:
    for text in ("hosts: [a, b]\n", "hosts:\n  - a\n  - b\n"):
        assert _source(remove_item(_source(text), text, "hosts", "a")).data == {"hosts": ["b"]}


@pytest.mark.parametrize(("before", "after"), [
    ("name: x\n", "name: x\ndefaults: {host: a}\n"),
    ("defaults: {drift: heal}\n", "defaults: {host: a, drift: heal}\n"),
    ("defaults: {}  # none\n", "defaults: {host: a}  # none\n"),
    ("defaults:\n  # mine\n  drift: heal\n", "defaults:\n  # mine\n  host: a\n  drift: heal\n"),
])  # fmt: skip
def test_a_default_is_added_to_those_that_there_are(before: str, after: str) -> None:
    made = add_key(_source(before), before, "defaults", "host", "a")
    assert made == after
    assert _source(made).data["defaults"]["host"] == "a"
