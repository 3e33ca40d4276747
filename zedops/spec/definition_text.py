"""Writes the fields of a definition as text for a person to read and keep. Pure.

Parsing the text gives the same fields again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from zedops.spec.emitter import flow, quoted, scalar
from zedops.spec.quantities import exact, readable

#: The order of keys in which people read a definition; other keys come last.
_ORDER = (
    "host", "game", "desired", "image", "adopt", "platform", "pull", "entrypoint", "command",
    "working_dir", "tty", "stdin_open", "init", "depends_on", "ports", "network_mode", "networks",
    "extra_hosts", "dns", "dns_search", "env", "secrets", "secrets_as", "volumes", "tmpfs",
    "limits", "shm_size", "ulimits", "stop", "health", "user", "group_add", "hostname", "devices",
    "gpus", "cap_add", "cap_drop", "read_only", "security_opt", "sysctls", "logging", "labels",
)
#: Mappings with a line for each entry; others are short enough for one line.
_BLOCKS = {"ports", "env", "volumes", "labels", "extra_hosts", "sysctls", "health", "networks",
           "secrets"}
#: Mappings of text values, also where a value looks like a number.
_TEXTS = {"env", "labels", "sysctls", "extra_hosts"}
#: A number with its unit, or a port with its protocol, is no number to YAML.
_MEASURE = re.compile(r"\d+(\.\d+)?([smh]|ms|[KMGT]iB|/(tcp|udp|sctp))")
_SIZES = {"memory", "shm_size"}


def render(
    fields: Mapping[str, Any], notes: Iterable[str] = (), comments: Mapping[str, str] | None = None
) -> str:
    """Write a definition; `notes` stand above it, `comments` behind the keys that they name."""
    lines = [f"# {line}" for each in notes for line in each.splitlines()]
    known = {key: at for at, key in enumerate(_ORDER)}
    for key in sorted(fields, key=lambda each: known.get(each, len(known))):
        comment = f"   # {comments[key]}" if comments and key in comments else ""
        first, *rest = _field(key, fields[key])
        lines += [first + comment, *rest]
    return "\n".join(lines) + "\n"


def _field(key: str, value: Any) -> Iterator[str]:
    if key in _BLOCKS and isinstance(value, dict):
        yield f"{key}:"
        for name, each in value.items():
            text = quoted(each) if key in _TEXTS else _value(name, each)
            yield f"  {scalar(name)}: {text}"
    else:
        yield f"{key}: {_value(key, value)}"


def _value(key: str, value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() if key in _SIZES:
            return readable(f"{value}b")
        case int():
            return str(value)
        case float():
            return exact(value)
        case str():
            return value if _MEASURE.fullmatch(value) else scalar(value)
        case dict():
            inside = (f"{scalar(name)}: {_value(name, each)}" for name, each in value.items())
            return f"{{{', '.join(inside)}}}"
        case _:
            if all(isinstance(each, str) for each in value):
                return _list(key, value)
            return f"[{', '.join(_value(key, each) for each in value)}]"


def _list(key: str, values: Iterable[str]) -> str:
    if key in ("secrets", "cap_add", "cap_drop"):  # names, which need no quotes
        return f"[{', '.join(scalar(each) for each in values)}]"
    return flow(values)
