"""Finds, makes and removes named volumes, and looks into one through a container's mounts."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from zedops.errors import EngineFailed
from zedops.spec.volume_drivers import Driven
from zedops.system import failpoints
from zedops_agent.engine import parse
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.markers import MARKER, MOST_BYTES, OURS
from zedops_agent.named_volumes import NamedVolume

#: No answer within the time that a request has, or half of one.
_SILENT = (
    requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, tarfile.TarError,
)
#: The bytes that one read of an archive takes.
_BLOCK = 10240


class EngineVolumes:
    """The named volumes of one Engine."""

    def __init__(self, connection: EngineConnection) -> None:
        self.connection = connection

    @translated
    def find(self, name: str) -> NamedVolume | None:
        """Find a named volume; None if there is no such volume."""
        try:
            return parse.volume(self.connection.api.inspect_volume(name))
        except docker.errors.NotFound:
            return None

    @translated
    def make(self, name: str, driven: Driven, labels: Mapping[str, str]) -> NamedVolume:
        """Make a named volume; the Engine returns one that exists, also with other options."""
        self.connection.api.create_volume(
            name, driver=driven.driver, driver_opts=dict(driven.options), labels=dict(labels)
        )
        failpoints.point("volume.made")
        return parse.volume(self.connection.api.inspect_volume(name))

    @translated
    def remove(self, name: str) -> None:
        """Remove a named volume that no container has."""
        with suppress(docker.errors.NotFound):
            self.connection.api.remove_volume(name)

    @translated
    def peek(self, container: str, path: str) -> tuple[bytes | None, bool]:
        """Look into a directory of a container that does not run: its marker, other content.

        The Engine mounts the container's volumes for that (API: ContainerArchive), and starts
        nothing. This reads the first entries alone.
        """
        marker = None
        try:
            with suppress(docker.errors.NotFound):
                marker = self._marker(container, f"{path}/{MARKER}")
            return marker, self._holds_anything(container, f"{path}/.")
        except _SILENT as error:  # the Engine waits for the share; others get their answers
            remedy = "see to the share, or to the options of its driver"
            raise EngineFailed(f"the Engine cannot mount {path} in time; {remedy}") from error

    def _marker(self, container: str, path: str) -> bytes:
        with self._entries(container, path) as entries:
            for each in entries:
                if each.isreg() and each.size <= MOST_BYTES and (file := entries.extractfile(each)):
                    return file.read()
                break
        return b""  # no file that zedops made

    def _holds_anything(self, container: str, path: str) -> bool:
        with self._entries(container, path) as entries:
            names = (each.name.removeprefix("./").rstrip("/") for each in entries)
            return any(name not in ("", ".", *OURS) for name in names)

    @contextmanager
    def _entries(self, container: str, path: str) -> Iterator[tarfile.TarFile]:
        """Open the archive of a path as a stream; a close ends the Engine's reading."""
        api: Any = self.connection.api  # docker-py's own call leaves the response open
        said = api._get(api._url("/containers/{0}/archive", container), params={"path": path},
                        headers={"Accept-Encoding": "identity"}, stream=True)
        with closing(said):
            api._raise_for_status(said)
            with tarfile.open(fileobj=said.raw, mode="r|", bufsize=_BLOCK) as entries:
                yield entries
