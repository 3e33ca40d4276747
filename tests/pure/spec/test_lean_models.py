"""Ten thousand servers fit in little memory: what is equal is kept once, the unasked never."""

from __future__ import annotations

import copy
import pickle

import pytest
from pydantic import ValidationError

from zedops.protocol.sync import Hello
from zedops.spec.document import parse
from zedops.spec.model import Definition
from zedops.spec.port import Port

DEFINITION = {"image": "games/server", "ports": {"game": "16261/udp"}, "limits": {"cpus": 2}}


def test_no_model_keeps_a_set_of_the_fields_that_were_written() -> None:
    made = Definition.model_validate(DEFINITION)
    others = [
        made.ports["game"], Hello(host="attic"), made.model_copy(update={"image": "games/other"}),
        copy.deepcopy(made), pickle.loads(pickle.dumps(made)),  # noqa: S301 - its own
    ]
    assert {id(each.__pydantic_fields_set__) for each in others} == {
        id(made.__pydantic_fields_set__)
    }
    assert made.__pydantic_fields_set__ == set()


def test_what_has_its_default_is_still_told_from_what_has_not() -> None:
    assert Port.model_validate("16261/udp").model_dump(exclude_defaults=True) == {
        "container": 16261, "host": 16261, "protocol": "udp",
    }
    assert Definition.model_validate(DEFINITION) == Definition(
        image="games/server", ports={"game": Port(container=16261, host=16261, protocol="udp")},
        limits=Definition.model_validate(DEFINITION).limits,
    )


def test_what_is_written_the_same_way_is_one_thing_and_what_only_looks_so_is_not() -> None:
    one, other = Definition.model_validate(DEFINITION), Definition.model_validate(DEFINITION)
    assert one.ports["game"] is other.ports["game"]
    assert one.limits is other.limits
    for pids in (True, "1", 1.0):
        with pytest.raises(ValidationError):
            Definition.model_validate({"image": "a", "limits": {"pids": pids}})
        assert Definition.model_validate({"image": "a", "limits": {"pids": 1}}).limits.pids == 1


def test_what_is_wrong_is_wrong_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ValidationError, match="is not a port"):
            Definition.model_validate({"image": "a", "ports": {"game": "16261/icmp"}})


def test_more_different_ones_than_are_remembered_are_right_all_the_same() -> None:
    numbers = range(1, 10_000)
    ports = {f"p{each}": f"{each}/udp" for each in numbers}
    made = Definition.model_validate({"image": "a", "ports": ports})
    assert [each.host for each in made.ports.values()] == list(numbers)


def test_what_was_written_comes_back_as_values() -> None:
    text = "image: a\nenv: {A: '1', B: ü}\nports:\n  game: 7/udp\nlimits: {cpus: 1.5}\n"
    assert parse("servers.d/a.yaml", text.encode()).data == {
        "image": "a", "env": {"A": "1", "B": "ü"}, "ports": {"game": "7/udp"},
        "limits": {"cpus": 1.5},
    }
    assert parse("servers.d/a.yaml", b"{").data is None
