"""Ten thousand servers fit in little memory: what is equal is kept once, the unasked never."""

from __future__ import annotations

import copy
import pickle

from zedops.model import Definition, Port
from zedops.wire import Hello

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
