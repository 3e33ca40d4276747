"""The one way a container is stopped: commands, signal, grace, kill.

A world is lost most often because a stop did not save it, so every stop goes this way, and how it
went is told.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import docker
import docker.errors
import requests.exceptions

from zedops import faults
from zedops.model import Stop

_COMMAND_S = 30.0
#: A container that was killed is gone within this time, unless its host is in trouble.
_KILLED_S = 120.0


@dataclass(frozen=True)
class Stopped:
    """How a container ended. Killed means that the grace ran out: progress may be lost."""

    exit_code: int
    took_s: float
    killed: bool


def stop(api: docker.APIClient, container: str, asked: Stop) -> Stopped:
    """Stop a container as asked; one that does not run is left as it is."""
    begun = time.monotonic()
    for command in asked.commands:
        _run_command(api, container, list(command))
    killed = False
    with suppress(docker.errors.APIError):  # 409: it is not running any more
        api.kill(container, asked.signal)
    faults.point("stop.signalled")
    try:
        code = _wait(api, container, max(asked.grace - (time.monotonic() - begun), 0.1))
    except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
        killed = True
        with suppress(docker.errors.APIError):
            api.kill(container, "SIGKILL")
        code = _wait(api, container, _KILLED_S)
    return Stopped(code, time.monotonic() - begun, killed)


def _wait(api: docker.APIClient, container: str, timeout_s: float) -> int:
    answer = api.wait(container, timeout=timeout_s, condition="not-running")  # type: ignore[arg-type]
    return int(answer["StatusCode"])


def _run_command(api: docker.APIClient, container: str, command: list[str]) -> None:
    """Run one announced command; one that fails must not keep the server from stopping."""
    with suppress(docker.errors.APIError, requests.exceptions.RequestException):
        made = api.exec_create(container, command)
        api.exec_start(made["Id"], detach=True)
        deadline = time.monotonic() + _COMMAND_S
        while api.exec_inspect(made["Id"])["Running"] and time.monotonic() < deadline:
            time.sleep(0.05)
