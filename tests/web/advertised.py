"""A fleet with its page, which hosts on other machines may join. For tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from tests.machine import Machine, free_port


class Advertised(Machine):
    """A fleet that hosts on other machines may join."""

    def command(self) -> list[str]:
        """Say what runs the fleet."""
        return [*super().command(), "--advertise", f"tls://127.0.0.1:{free_port()}"]


@contextmanager
def advertised(
    folder: Path, docker_api: docker.APIClient, image: str
) -> Iterator[Machine]:
    """Run such a fleet with its page."""
    made = Advertised(folder, docker_api, image)
    made.page = free_port()
    try:
        made.init()
        made.up()
        yield made
    finally:
        made.tear_down()
