"""A service's volumes and tmpfs → `volumes` and `tmpfs`. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any

from zedops.scaffold.compose import accounts, merge
from zedops.scaffold.compose.ports import Mount, read_mounts
from zedops.scaffold.compose.reading import Translation, is_true, items, only
from zedops.scaffold.compose.scalars import as_text
from zedops.spec.volume_drivers import LOCAL, Driven, faults

#: Of CIFS: a note is written into the definition, which must hold no password.
_PASSWORD = re.compile(r"(?<=pass=)[^,]*|(?<=password=)[^,]*|(?<=password2=)[^,]*")


def volumes(given: Translation, value: Any) -> None:
    found: dict[str, Any] = {}
    try:
        mounts = list(read_mounts(items(value), is_true))
    except ValueError as error:
        unset = ", ".join(sorted(given.unset))
        raise ValueError(f"{error}{f' ({unset}: set nowhere)' if unset else ''}") from error
    for mount in mounts:
        if mount.kind == "tmpfs":
            given.fields.setdefault("tmpfs", {})[mount.target] = mount.options
            continue
        found[_volume_key(mount.target, found)] = _volume(given, mount)
    if found:
        given.fields["volumes"] = found


def _volume(given: Translation, mount: Mount) -> dict[str, Any]:
    parts: dict[str, Any] = {"path": mount.target}
    if not mount.source:
        given.note(
            f"volumes: {mount.target} was in a nameless volume, which zedops does not take"
            " over; it begins empty, in a place of its own"
        )
        return parts
    if mount.kind == "bind":
        parts["source"] = mount.source
    else:
        parts |= _named(given, mount.source)
    if "kind" not in parts and _holds_a_file(given, mount):
        parts["kind"] = "file"
    elif mount.read_only:
        parts.setdefault("kind", "cache")
    if mount.left:
        given.note(f"volumes: {mount.target}: {', '.join(mount.left)} is not taken over")
    for key in ("read_only", "subpath", "propagation"):
        if said := getattr(mount, key):
            parts[key] = said
    return parts


def _holds_a_file(given: Translation, mount: Mount) -> bool:
    if mount.kind != "bind":
        return False
    seen = given.is_file(mount.source)
    if seen is not None:
        return seen
    known = mount.source.startswith(accounts.FILE_PLACES)
    return known or PurePosixPath(mount.target).name.lower().endswith(accounts.FILE_ENDS)


def _named(given: Translation, name: str) -> dict[str, Any]:
    """Find a named volume's full name with its driver, or the directory that its driver binds."""
    if name not in given.project.volumes:
        raise ValueError(f"{name!r} is not among the file's volumes; add it there")
    told = given.project.volumes[name]
    told = {} if told is None or merge.is_null(told) else told
    only(f"volumes.{name}", told, {"name", "external", "driver", "driver_opts", "labels"})
    external = told.get("external")
    if isinstance(external, dict):
        return {"source": as_text(external.get("name", name))}
    own = as_text(told.get("name", ""))
    if is_true(external):
        return {"source": own or name}
    full = own or f"{given.project.name}_{name}"
    options = {key: as_text(each) for key, each in (told.get("driver_opts") or {}).items()}
    driven = Driven(as_text(told.get("driver", "")) or LOCAL, options)
    if driven.bound is not None and driven.flags == ["bind"]:
        return {"source": driven.bound}
    if driven == Driven(LOCAL, {}):
        return {"source": full}
    kind = {"kind": "cache"} if driven.in_memory else {}
    if fault := next(faults(driven, kind.get("kind", "data")), None):
        _note_by_hand(given, full, driven, fault)
        return {"source": full}
    if driven.in_memory:
        given.note(f"volumes: {full} is in memory ({driven.kind}): it forgets its files at each"
                   " stop, so zedops guards none of them (kind: cache)")
    return {
        "source": full, **kind,
        **({"driver": driven.driver} if driven.driver != LOCAL else {}),
        **({"driver_opts": options} if options else {}),
    }


def _note_by_hand(given: Translation, full: str, driven: Driven, fault: str) -> None:
    """Tell how to make a volume that no definition can describe."""
    flags = "".join(
        f" --opt {key}={shlex.quote(_PASSWORD.sub(r'<hidden>', each))}"
        for key, each in driven.options.items()
    )
    given.note(
        f"volumes: {full}: {fault}. Where it is not there yet, make it once:"
        f" `docker volume create --driver {driven.driver}{flags} {full}`"
    )


def tmpfs(given: Translation, value: Any) -> None:
    found = given.fields.setdefault("tmpfs", {})
    for each in merge.as_list(value):
        path, _, options = as_text(each).partition(":")
        found[path] = options


def _volume_key(target: str, taken: Mapping[str, Any]) -> str:
    stem = re.sub(r"[^a-z0-9_-]+", "-", PurePosixPath(target).name.lower()).strip("-_")
    stem = stem[:55] or "volume"
    numbered = (f"{stem}{at}" for at in count(2))
    return next(each for each in chain((stem,), numbered) if each not in taken)



