"""Looks at one container at a time; changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import docker
import docker.errors

from zedops.protocol.requests import Shape
from zedops_agent.beyond import Usual
from zedops_agent.engine import parse, users
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.engine.shape import read_shape, read_usual
from zedops_agent.observed import Container, Phase


class Inspector:
    """Inspects what one Engine has, in the terms of definitions."""

    def __init__(self, connection: EngineConnection) -> None:
        self.connection = connection

    @translated
    def inspect(self, containers: Iterable[str]) -> tuple[Container, ...]:
        """Look at containers; leave out missing ones.

        An Engine that shuts down ends all containers: do not trust "exited" then. So this pings
        the Engine before it returns a container that ended.
        """
        found = []
        for each in dict.fromkeys(containers):
            with suppress(docker.errors.NotFound):  # gone since it was listed
                found.append(parse.container(self.connection.api.inspect_container(each)))
        if not all(each.running or each.phase is Phase.CREATED for each in found):
            self.connection.ping()
        return tuple(found)

    @translated
    def shape(self, reference: str) -> tuple[Container, Shape] | None:
        """Look at any container by name or id, in the terms of a definition; None without one."""
        try:
            said = self.connection.api.inspect_container(reference)
            image = self.connection.api.inspect_image(said["Image"])  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            image = {}  # a person removed the image under the container, which runs on
        except docker.errors.NotFound:
            return None
        sources = [each.get("Source", "") for each in said.get("Mounts") or []]
        directories = {each: not Path(each).is_file() for each in sources}
        return parse.container(said), read_shape(said, image, directories, self._usual)

    @cached_property
    def _usual(self) -> Usual:
        return read_usual(self.connection.api.info())

    @translated
    def environment(self, container: str) -> dict[str, str]:
        """Read a container's variables, secrets included: they must never leave this host."""
        entries = self.connection.api.inspect_container(container)["Config"].get("Env") or []
        return {key: value for key, _, value in (each.partition("=") for each in entries)}

    @translated
    def user(self, container: str) -> int:
        """Find the number of a container's user."""
        return users.uid_of(self.connection.api, container)
