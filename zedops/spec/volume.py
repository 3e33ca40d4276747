"""Volumes of a definition: paths of the container that outlive it. Looks at no directory."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from zedops.spec.fields import Model, Source, Text, no_nul, one_of
from zedops.spec.volume_drivers import LOCAL, Driven, faults


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
    #: The driver of a named volume, and its options: zedops makes the volume where it is missing.
    driver: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./:-]*$")] | None = None
    driver_opts: dict[str, Text] = Field(default={})

    @property
    def driven(self) -> Driven | None:
        """Return the driver and the options of a named volume; None without them."""
        if self.driver is None and not self.driver_opts:
            return None
        return Driven(self.driver or LOCAL, self.driver_opts)

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
        if self.driven is not None:
            self._driver_fits(self.driven, named=named)
        return self

    def _driver_fits(self, driven: Driven, *, named: bool) -> None:
        if not named:
            raise ValueError("`driver` and `driver_opts` need the volume's name in `source:`")
        if self.subpath:
            raise ValueError("`subpath` needs a plain volume; write the directory into `device`")
        if fault := next(faults(driven, self.kind), None):
            raise ValueError(fault)

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        parts = value.split("/")
        if not value.startswith("/") or not value.strip("/") or {"..", "."} & set(parts):
            raise ValueError(f"{value!r} is not a path inside the container; write e.g. /data")
        return no_nul("/" + "/".join(part for part in parts if part))
