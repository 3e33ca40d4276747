"""Volumes of a definition: paths of the container that outlive it. Looks at no directory."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, field_validator, model_validator

from zedops.spec.fields import Model, Source, no_nul, one_of


class VolumeKind(StrEnum):
    """Whether a volume is a world to keep or something to download again."""

    DATA = "data"
    CACHE = "cache"
    FILE = "file"  #: one file of the host, mounted as it is: configuration, never a world


def _below(value: str) -> str:
    parts = value.split("/")
    if not all(parts) or {"..", "."} & set(parts):
        raise ValueError(f"{value!r} is no directory inside the volume; write e.g. worlds/red")
    return no_nul(value)


class Volume(Model):
    """A directory of the container that outlives it."""

    path: str
    kind: Annotated[VolumeKind, one_of(VolumeKind)] = VolumeKind.DATA
    #: Its place on the host, if not in zedops' data root: an absolute path or a named volume.
    source: Source | None = None
    read_only: bool = False
    #: A directory inside a named volume.
    subpath: Annotated[str, AfterValidator(_below)] | None = None
    #: The propagation of mounts below it (mount_namespaces(7)).
    propagation: Literal["private", "rprivate", "shared", "rshared", "slave", "rslave"] | None = (
        None
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _source_fits(self) -> Volume:
        named = self.source is not None and not self.source.startswith("/")
        if self.subpath and not named:
            raise ValueError("`subpath` is inside a named volume; write the path into `source:`")
        if self.kind is VolumeKind.FILE and (self.source is None or named):
            raise ValueError("`kind: file` mounts one file of the host; name it in `source:`")
        if self.propagation and (self.source is None or named):
            raise ValueError("`propagation` is for a directory of the host; name it in `source:`")
        return self

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        parts = value.split("/")
        if not value.startswith("/") or not value.strip("/") or {"..", "."} & set(parts):
            raise ValueError(f"{value!r} is not a path inside the container; write e.g. /data")
        return no_nul("/" + "/".join(part for part in parts if part))
