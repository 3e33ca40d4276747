"""Checks requests at the manager's socket: one JSON line → a request of a known shape. Pure.

Object ids and the environment reach git's command line and environment. So a request passes only
with values that git itself gives to a hook; all others are refused with a reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from zedops.errors import ZedopsError
from zedops.hub import hook

_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: A ref as git allows it begins with this and has no blank (git-check-ref-format(1)).
_REF = re.compile(r"refs/[^\s\0\x7f]+")

Check = Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_name(value: object) -> bool:
    """Accept the name of a host or server; None means all of them."""
    return value is None or _is_text(value)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_commit(value: object) -> bool:
    return isinstance(value, str) and _OBJECT.fullmatch(value) is not None


def _is_files(value: object) -> bool:
    """Accept files as `edits` writes them; paths are names only, and never opened."""
    return isinstance(value, dict) and all(map(_is_content, value.values()))


def _is_content(value: object) -> bool:
    if not isinstance(value, str):
        return value is None or value is True
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_updates(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_update, value))


def _is_update(value: object) -> bool:
    if not _is_texts(value) or not isinstance(value, list) or len(value) != 3:
        return False
    old, new, ref = value
    ids = _OBJECT.fullmatch(old) and _OBJECT.fullmatch(new)
    return bool(ids) and _REF.fullmatch(ref) is not None


def _is_environment(value: object) -> bool:
    return isinstance(value, dict) and all(
        key in hook.QUARANTINE and _is_text(each) for key, each in value.items()
    )


_PUSH: Mapping[str, Check] = {"updates": _is_updates, "options": _is_texts, "env": _is_environment}
_EDITS: Mapping[str, Check] = {"base": _is_commit, "files": _is_files}
_ASKED: Mapping[str, Check] = {"request": lambda value: isinstance(value, dict)}
#: The fields that each request must have; further fields are ignored.
_FIELDS: Mapping[str, Mapping[str, Check]] = {
    **dict.fromkeys(hook.NAMES, _PUSH),
    "list": {"buried": _is_bool},
    "list-at": {"buried": _is_bool, "at": _is_commit},
    "show": {"server": _is_text},
    "ports": {"host": _is_name},
    "orphans": {"host": _is_name},
    "snapshots": {"server": _is_text},
    "plan": {**_EDITS, "server": _is_name},
    "diff": _EDITS,
    "validate": _EDITS,
    "stream": _ASKED,
    "watch": {},
    "web-rules": {},
    "web-link": {"name": _is_text, "email": _is_text},
    "web-share": {"email": _is_text, "server": _is_name, "for_s": _is_number},
    "call": {**_ASKED, "host": _is_text},
    "host-add": {"host": _is_text, "ttl_s": _is_number},
    "host-remove": {"host": _is_text},
    "host-list": {"hosts": _is_texts},
    "host-rows": {},
}


def read(line: bytes) -> dict[str, Any]:
    """Read a request. ZedopsError names the fault."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise ZedopsError("this is no request; send one line of JSON") from None
    return check(said)


def check(said: object) -> dict[str, Any]:
    """Check a decoded request and return it. ZedopsError names the fault."""
    name = said.get("do") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(name, str) or name not in _FIELDS:
        raise ZedopsError(f"unknown request {str(name)[:40]!r}")
    wrong = [key for key, fits in _FIELDS[name].items() if not fits(said.get(key))]
    if wrong:
        raise ZedopsError(f"the request {name!r} cannot be used: {', '.join(wrong)}")
    return dict(said)
