"""The one way to stop a container: commands, signal, grace, kill.

Servers lose worlds most often by a stop without a save. So every stop goes this way, and returns
its result. `stops` chooses each next call, after a look at the container. An Engine that does not
answer ends the stop with EngineUnreachable and never with a kill: a request may wait in a socket's
backlog until the next Engine carries it out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, assert_never

import docker.errors
import requests.exceptions
import urllib3.exceptions

from zedops.errors import EngineFailed, LookOutdated
from zedops.spec import stop_signals
from zedops.spec.model import Stop
from zedops.system import failpoints
from zedops_agent.engine import parse
from zedops_agent.engine.connection import EngineConnection
from zedops_agent.observed import Container
from zedops_agent.stops import Move, Stopped, Stopping, left_s, next_move, stopped

#: The longest wait of one call; then the stop reads the newest definition, and looks again.
_SLICE_S = 1.0
_COMMAND_SLICE_S = 0.05


class Halt:
    """The stop of one container; it goes on where an earlier one ended.

    `asked` returns the newest wish for the stop, and raises LookOutdated when zedops ends. `keep`
    writes the progress of the stop to disk, before each call that must not happen twice.
    """

    def __init__(
        self, connection: EngineConnection, container: str, asked: Callable[[], Stop],
        begun: Stopping | None, keep: Callable[[Stopping], None],
    ) -> None:
        self._connection, self._api = connection, connection.api
        self._container, self._asked, self._keep = container, asked, keep
        self._process = self._look()
        if begun is None or not begun.is_of(self._process):
            begun = Stopping(
                container=self._process.id, started_at=self._process.started_at,
                begun_at=datetime.now(UTC), since_s=time.monotonic(),
            )
        self._begun = begun

    def run(self) -> Stopped:
        """Stop the container; leave it alone if it does not run."""
        while True:
            asked = self._asked()
            match next_move(self._begun, self._process, asked, time.monotonic()):
                case Move.ENDED:
                    return stopped(self._begun, self._process)
                case Move.RESTARTED:
                    raise LookOutdated("it was started again while it was being stopped")
                case Move.UNPAUSE:
                    self._unpause()
                case Move.COMMAND:
                    self._run_command(asked)
                case Move.HOLD:
                    self._hold()
                case Move.SIGNAL:
                    self._signal(asked)
                case Move.WAIT:
                    self._wait(left_s(self._begun, asked, time.monotonic()))
                case Move.KILL:
                    self._kill()
                case Move.GIVE_UP:
                    self._note(killed_at=None)  # so the next try kills it again
                    raise EngineFailed("it was killed and does not end; see to its host")
                case other:
                    assert_never(other)
            self._process = self._look()

    def _look(self) -> Container:
        return parse.container(self._api.inspect_container(self._container))

    def _note(self, **facts: Any) -> None:
        self._begun = self._begun.model_copy(update=facts)
        self._keep(self._begun)

    def _unpause(self) -> None:
        with _unless(HTTPStatus.CONFLICT):  # the container runs already
            self._api.unpause(self._container)
        self._note(since_s=time.monotonic())  # a paused server had no time to save

    def _run_command(self, asked: Stop) -> None:
        """Begin one announced command; its failure must not keep the server from a stop."""
        command = asked.commands[self._begun.commands]
        self._note(commands=self._begun.commands + 1, command=None, since_s=time.monotonic())
        with suppress(docker.errors.APIError):
            made = self._api.exec_create(self._container, list(command))["Id"]
            self._api.exec_start(made, detach=True)
            self._note(command=made)

    def _hold(self) -> None:
        try:
            runs = self._api.exec_inspect(str(self._begun.command))["Running"]
        except docker.errors.APIError:
            runs = False  # a new Engine has forgotten it
        if runs:
            time.sleep(_COMMAND_SLICE_S)
        else:
            self._begun = self._begun.model_copy(update={"command": None})

    def _signal(self, asked: Stop) -> None:
        name = self._begun.signal
        if name is None:
            name = stop_signals.usable(asked.signal)
            self._note(command=None, signal=name, since_s=time.monotonic())
        elif self._was_sent(name):  # an earlier process sent it, or missed the Engine's answer
            self._note(sent=True)
            return
        with _unless(HTTPStatus.CONFLICT):  # the container has ended
            try:
                self._api.kill(self._container, name)
            except docker.errors.APIError as error:
                if _status(error) != HTTPStatus.BAD_REQUEST:  # this Engine lacks a signal's name
                    raise
                self._api.kill(self._container, stop_signals.DEFAULT)
        failpoints.point("stop.signalled")
        self._note(sent=True, since_s=time.monotonic())

    def _was_sent(self, name: str) -> bool:
        """Ask the Engine's events whether the container got a signal in this stop."""
        filters = {"container": self._process.id, "event": "kill"}
        since, until = (f"{at.timestamp():.6f}" for at in (self._begun.begun_at, datetime.now(UTC)))
        api: Any = self._api  # it takes times as text, too; the stubs do not know that
        told = api.events(since=since, until=until, filters=filters, decode=True)
        number = str(stop_signals.number(name))
        return any(each["Actor"]["Attributes"].get("signal") == number for each in told)

    def _wait(self, left: float) -> None:
        try:
            slice_s: Any = min(left, _SLICE_S)  # the stubs know whole seconds alone
            self._api.wait(self._container, timeout=slice_s, condition="not-running")
        except (requests.exceptions.ReadTimeout, requests.exceptions.InvalidJSONError):
            pass  # the next look decides, not this answer
        except requests.exceptions.ConnectionError as error:
            # over TCP, requests raises this for a slow answer, too; a break never ends the grace
            if not any(isinstance(each, urllib3.exceptions.ReadTimeoutError)
                       for each in error.args):
                raise

    def _kill(self) -> None:
        """Kill the container, if the Engine that answers now will also carry out the kill."""
        self._connection.ping()
        if not self._look().up or left_s(self._begun, self._asked(), time.monotonic()) > 0:
            return
        at = datetime.now(UTC)
        with _unless(HTTPStatus.CONFLICT):
            self._api.kill(self._container, "SIGKILL")
        self._note(killed_at=at, since_s=time.monotonic())


@contextmanager
def _unless(status: HTTPStatus) -> Iterator[None]:
    """Ignore one status of the Engine's answer; raise every other error."""
    try:
        yield
    except docker.errors.APIError as error:
        if _status(error) != status:
            raise


def _status(error: docker.errors.APIError) -> int:
    return int(error.response.status_code) if error.response is not None else 0
