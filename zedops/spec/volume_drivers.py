"""Named volumes with a driver or options of their own: NFS, CIFS, tmpfs, a bound directory. Pure.

The Engine's driver `local` passes its options to mount(2): with `bind` among the flags in `o` it
binds a directory of the host, whatever `type` says (moby/moby, volume/local). It mounts every other
kind only while a container uses the volume.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LOCAL = "local"
#: The options that the driver `local` has (Engine API: VolumeCreate).
_LOCAL_OPTIONS = {"type", "o", "device", "size"}
_BINDS = {"bind", "rbind"}
#: They forget their files at the last unmount, and reach nothing outside the container.
_IN_MEMORY = {"tmpfs", "ramfs"}
_PASSWORD = re.compile(r"(?:^|[\s,;])(\w*pass(?:word|wd|phrase)?\d?|\w*secret|\w*token)=[^\s,;]")


@dataclass(frozen=True)
class Driven:
    """The driver of a named volume, and its options."""

    driver: str
    options: Mapping[str, str]

    @property
    def flags(self) -> list[str]:
        """Split the mount options as the Engine does."""
        return self.options.get("o", "").split(",")

    @property
    def bound(self) -> str | None:
        """Return the directory of the host that it binds; None if it binds none."""
        if self.driver == LOCAL and _BINDS & set(self.flags):
            return self.options.get("device") or None
        return None

    @property
    def kind(self) -> str:
        """Return the kind of file system that the driver `local` mounts; empty if none."""
        return self.options.get("type", "") if self.driver == LOCAL else ""

    @property
    def in_memory(self) -> bool:
        """Say whether its files are gone once no container uses it."""
        return self.kind in _IN_MEMORY and self.bound is None

    @property
    def is_mounted_by_use(self) -> bool:
        """Say whether its files are on the host only while a container uses it."""
        if self.driver != LOCAL:
            return True
        return self.bound is None and bool({"type", "device"} & set(self.options))

    @property
    def place(self) -> str:
        """Name what it mounts: two volumes with one place hold the same files."""
        if self.bound is not None:
            return posixpath.normpath(self.bound)
        at = [each for each in self.flags if each.startswith(("addr=", "ip="))]
        return " ".join([self.driver, *([self.kind] if self.kind else []), *at,
                         *([self.options.get("device", "")] if self.kind else self._pairs())])

    def __str__(self) -> str:
        """Write it in one line, as a host's policy compares it."""
        head = f"{self.driver}/{self.kind}" if self.driver == LOCAL else self.driver
        return " ".join([head, *self._pairs()])

    def _pairs(self) -> list[str]:
        left_out = {"type"} if self.driver == LOCAL else set()
        return [f"{key}={value}" for key, value in sorted(self.options.items())
                if key not in left_out]


def faults(driven: Driven, kind: str) -> Iterator[str]:
    """Find what is wrong with a driver and its options, for a volume of a `kind`."""
    options = driven.options
    for key, value in options.items():
        if found := _PASSWORD.search(f"{key}={value}" if driven.driver != LOCAL else value):
            yield (f"`driver_opts` holds a password ({found[1]}=), which git must not hold; make"
                   " the volume on its host, `docker volume create`, and write only `source:`")
    if driven.driver == LOCAL:
        yield from _local_faults(driven)
    if driven.in_memory and kind == "data":
        yield f"a {driven.kind} forgets its files at each stop; write `kind: cache`"


def _local_faults(driven: Driven) -> Iterator[str]:
    options = driven.options
    if not options:
        yield ("`driver: local` alone says nothing; leave it out, and make the volume on its host"
               " with `docker volume create`")
    elif unknown := sorted(set(options) - _LOCAL_OPTIONS):
        yield f"the driver local has no option {unknown[0]}; it has type, o, device and size"
    elif missing := [each for each in ("type", "device") if not options.get(each)]:
        yield f"the driver local needs {' and '.join(missing)} in `driver_opts`"
    elif driven.bound is not None and not driven.bound.startswith("/"):
        yield f"{driven.bound!r} is no absolute path to bind; write e.g. device: /srv/world"
