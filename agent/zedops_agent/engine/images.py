"""Looks at images on this host, and pulls them; which image a server needs is decided elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, cast

import docker
import docker.errors
import docker.utils

from zedops.errors import EngineFailed
from zedops_agent.coalesce import Joint
from zedops_agent.engine import parse
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.observed import Image

log = logging.getLogger(__name__)


class EngineImages:
    """The images of one Engine."""

    def __init__(self, connection: EngineConnection) -> None:
        self.connection = connection
        self._found = cache(lambda reference: Joint(partial(self._inspect, reference)))

    @translated
    def find(self, reference: str, within_s: float = 0.0) -> Image | None:
        """Look at an image on this host; None if it is not here. It may be `within_s` old.

        The Engine takes an unknown name for the beginning of an id; this method does not.
        """
        return self._found(reference)(time.monotonic() - within_s)

    def _inspect(self, reference: str) -> Image | None:
        try:
            found = self.connection.api.inspect_image(reference)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return None
        return parse.image(found) if parse.is_called(found, reference) else None

    @translated
    def pull(
        self, reference: str, progress: Callable[[str], None], platform: str | None = None
    ) -> None:
        """Pull an image and tell the progress. Raises the errors in the stream, too."""
        name, tag = docker.utils.parse_repository_tag(reference)
        layers: dict[str, tuple[int, int]] = {}
        for line in self._begin_pull(name, tag or "latest", platform):
            if "error" in line:
                raise EngineFailed(f"cannot pull {reference}: {line['error']}")
            detail = line.get("progressDetail") or {}
            if line.get("status") == "Downloading" and detail.get("total"):
                layers[line["id"]] = detail["current"], detail["total"]
                done, total = (sum(column) for column in zip(*layers.values(), strict=True))
                progress(f"pulling {reference} {100 * done // total} % of {total >> 20} MiB")

    def _begin_pull(
        self, name: str, tag: str, platform: str | None
    ) -> Iterator[dict[str, Any]]:
        """Begin to pull, with the user's login if there is one.

        docker-py raises if a credential helper is missing or fails. Most images need no login; the
        registry refuses the others by itself.
        """
        asked: dict[str, Any] = {"tag": tag, "stream": True, "decode": True}
        asked |= {"platform": platform} if platform else {}
        pull = cast(Callable[..., Iterator[dict[str, Any]]], self.connection.api.pull)
        try:
            return pull(name, **asked)
        except docker.errors.APIError:
            raise
        except docker.errors.DockerException as error:
            log.warning("pulling %s without a login: %s", name, error)
            return pull(name, auth_config={}, **asked)
