"""Whether what a command printed is what the reference says it prints. For tests."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from zedops.queries import output

for _each in vars(output).values():
    if is_dataclass(_each):
        _each.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[union-attr]


def fits(command: str, said: Any) -> None:
    """Hold an output against the shape of its command; pydantic says what does not fit."""
    TypeAdapter(output.SHAPES[command]).validate_json(json.dumps(said), strict=True)
