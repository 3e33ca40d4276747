"""Ports of a definition, in their short forms, and ranges of them. Knows one server only."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from zedops.spec.container_options import Address
from zedops.spec.fields import Model, one_of


class Publish(StrEnum):
    """The reach of a port outside the container."""

    NONE = "none"
    LOOPBACK = "loopback"
    PUBLIC = "public"


class Port(Model):
    """`16261/udp`, `"8080:80/tcp"`, or a mapping with `container`, `host`, `publish`."""

    container: int = Field(ge=1, le=65535)
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    host: int = Field(ge=1, le=65535)
    publish: Annotated[Publish, one_of(Publish)] = Publish.PUBLIC
    #: The address of the host that publishes the port; None: every address.
    address: Address | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return cls._split(value)
        if isinstance(value.get("container"), str):
            split = cls._split(value["container"])
            return {**split, **{key: each for key, each in value.items() if key != "container"}}
        return {"host": value.get("container", 1), **value}

    @staticmethod
    def _split(value: object) -> dict[str, Any]:
        match = re.fullmatch(r"(?:(\d{1,5}):)?(\d{1,5})(?:/(tcp|udp|sctp))?", str(value))
        if match is None or isinstance(value, bool):
            raise ValueError(
                f"{value!r} is not a port; write e.g. 16261/udp, \"8080:80/tcp\""
                " or {container: 27015/tcp, publish: none}"
            )
        container = int(match[2])
        return {
            "container": container,
            "host": int(match[1] or container),
            "protocol": match[3] or "tcp",
        }


_RANGE = re.compile(r"(?:(\d{1,5})-(\d{1,5}):)?(\d{1,5})-(\d{1,5})(?:/(tcp|udp|sctp))?")
_MOST_IN_RANGE = 1000


def spread(ports: dict[str, Any]) -> dict[str, Any]:
    """Expand ranges of ports: `game: 2456-2457/udp` becomes `game` and `game-2`."""
    found: dict[str, Any] = {}
    for key, value in ports.items():
        text = value.get("container") if isinstance(value, dict) else value
        match = _RANGE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            found[key] = value
            continue
        rest = {name: each for name, each in value.items() if name != "container"} if isinstance(
            value, dict) else {}
        for step, port in enumerate(_ports_of(match, rest)):
            name = key if step == 0 else f"{key}-{step + 1}"
            if name in found or (step and name in ports):
                raise ValueError(f"{name!r} is a port of the range {key!r}, too; rename it")
            found[name] = port
    return found


def _ports_of(match: re.Match[str], rest: dict[str, Any]) -> list[dict[str, Any]]:
    low, high = int(match[3]), int(match[4])
    first, last = int(match[1] or low), int(match[2] or high)
    if isinstance(rest.get("host"), int):
        first, last = rest["host"], rest["host"] + high - low
    if not (low <= high and last - first == high - low < _MOST_IN_RANGE):
        raise ValueError(
            f"{match[0]!r} is no range of ports; write e.g. 2456-2458/udp, or two ranges of the"
            f" same length, at most {_MOST_IN_RANGE} ports"
        )
    protocol = {"protocol": match[5]} if match[5] else {}
    return [{**rest, **protocol, "container": low + step, "host": first + step}
            for step in range(high - low + 1)]
