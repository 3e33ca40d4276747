"""The connection to one Docker Engine, and the translation of its errors.

Foreign errors become EngineFailed with the Engine's own words, LookOutdated if another client was
faster, or EngineUnreachable if the Engine gave no answer.
"""

from __future__ import annotations

import errno
import functools
import os
import pwd
import re
import threading
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException
from typing import Any, TypeVar, cast

import docker
import docker.errors
import docker.utils
import requests
import urllib3.exceptions
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection

from zedops.errors import EngineFailed, EngineUnreachable, LookOutdated
from zedops_agent.coalesce import Joint

_TIMEOUT_S = 120
#: The pool keeps as many connections as may be in use at once: most wait for a stop or a start.
_POOL = 320
#: An Engine that runs answers a new connection within this time, even a busy one.
_KNOCK_S = 10
#: The Engine's words for a container that another client removes.
_GONE_WORDS = ("No such container", "marked for removal", "removal of container")
#: Errors of a new connection, with docker-py's client and without it.
_NO_ANSWER = (
    OSError, HTTPException, urllib3.exceptions.HTTPError, requests.exceptions.RequestException,
    docker.errors.DockerException,
)

_NOT_ALLOWED = os.strerror(errno.EACCES)

#: The connection failed or broke. Every other error is an answer to the request.
AWAY = (
    requests.exceptions.ConnectionError, requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError, HTTPException, urllib3.exceptions.HTTPError,
)
#: Errors of docker-py and requests themselves, before they ask an Engine or after its answer.
_ITS_OWN = (docker.errors.DockerException, requests.exceptions.RequestException)
#: An id that the Engine makes up for each try: people cannot look it up.
_AN_ID = re.compile(r" \([0-9a-f]{64}\)")

F = TypeVar("F", bound=Callable[..., Any])


class _OnePool(UnixHTTPAdapter):
    """Keeps one pool of connections for all requests; docker-py keeps a pool for each address."""

    def get_connection(self, url: Any, proxies: Any = None) -> Any:  # noqa: ARG002 - it is theirs
        """Take a connection from the one pool."""
        return super().get_connection("http+docker://localhost", proxies)


class EngineConnection:
    """docker-py's low-level client of one Engine. Safe to use from several threads."""

    def __init__(self, url: str | None = None) -> None:
        self._knock_for_all = Joint(self._knock)
        kwargs = docker.utils.kwargs_from_env() if url is None else {"base_url": url}
        self._url = kwargs.get("base_url", "unix:///var/run/docker.sock")
        self._connect = functools.partial(docker.APIClient, **kwargs)
        self._socket = _socket_in(self._url)
        self._made: docker.APIClient | None = None
        self._making = threading.Lock()

    @property
    def api(self) -> docker.APIClient:
        """Return the client, made at its first use. Raises EngineUnreachable without an answer."""
        made = self._made
        if made is not None:
            return made
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> docker.APIClient:
        try:
            if self._socket is not None:
                self._ping(self._socket)  # the calls below wait much longer if the Engine hangs
            made = self._connect(version="auto", timeout=_TIMEOUT_S, max_pool_size=_POOL)
        except docker.errors.InvalidConfigFile as error:
            raise EngineFailed(f"{error}; correct `config.json` of this user's docker") from error
        except _NO_ANSWER as error:
            raise EngineUnreachable(f"{self.gone(error)}; {_remedy(error)}") from error
        if self._socket is not None:
            # a search for proxies and passwords in the environment took a third of a request's time
            made.trust_env = False
            pool = _OnePool(f"http+unix://{self._socket}", _TIMEOUT_S, max_pool_size=_POOL)
            made.mount(made.base_url, pool)
        return made

    def close(self) -> None:
        """Close every connection."""
        if self._made is not None:
            self._made.close()

    @staticmethod
    def may_answer(error: EngineUnreachable) -> bool:
        """Say whether another try can help: not if this user may not use the Engine."""
        return error.__cause__ is None or _why(error.__cause__) != _NOT_ALLOWED

    def gone(self, error: Exception) -> EngineUnreachable:
        """Make the error of an Engine without an answer, in the system's own words."""
        why = _why(error)
        if why == _NOT_ALLOWED:
            who = f"user {_user()}"
            return EngineUnreachable(f"{who} may not use the Docker Engine at {self._url}: {why}")
        return EngineUnreachable(f"the Docker Engine at {self._url} does not answer: {why}")

    def ping(self) -> None:
        """Check that the Engine accepts new connections; EngineUnreachable if it does not.

        A stopping dockerd refuses new connections before it stops containers, and still answers on
        old ones. Its own stop of a container must not count as a person's act.
        """
        self._knock_for_all()

    def _knock(self) -> None:
        try:
            if self._socket is not None:  # docker-py's client takes four times as long
                self._ping(self._socket)
                return
            with closing(self._connect(version=self.api.api_version, timeout=_KNOCK_S)) as fresh:
                fresh.ping()
        except _NO_ANSWER as error:
            raise self.gone(error) from error

    @staticmethod
    def _ping(socket: str) -> None:
        with closing(UnixHTTPConnection("", socket, _KNOCK_S)) as link:
            link.request("GET", "/_ping")
            link.getresponse()


def _socket_in(url: str) -> str | None:
    """Find the path in the address of an Engine on this host; None for any other address."""
    scheme, _, path = url.partition("://")
    return f"/{path.lstrip('/')}" if scheme in ("unix", "http+unix") and path else None


def translated(call: F) -> F:
    """Turn docker-py's errors into ours, in a method of an object with a `connection`."""

    @functools.wraps(call)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        connection: EngineConnection = self.connection
        try:
            return call(self, *args, **kwargs)
        except docker.errors.APIError as error:
            said = _AN_ID.sub("", " ".join(str(error.explanation or error).split()))
            if error.is_server_error():
                # an error of an Engine that shuts down is no failure of the step
                connection.ping()
            kind = LookOutdated if any(word in said for word in _GONE_WORDS) else EngineFailed
            raise kind(said) from error
        except AWAY as error:
            raise connection.gone(error) from error
        except _ITS_OWN as error:
            raise EngineFailed(" ".join(str(error).split()) or type(error).__name__) from error

    return cast(F, wrapped)


def _remedy(error: BaseException) -> str:
    if _why(error) == _NOT_ALLOWED:
        return f"`sudo usermod -aG docker {_user()}`, then log out and in again"
    return "start it, or name another one in DOCKER_HOST"


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a number without a name, as in containers
        return str(os.geteuid())


def _why(error: BaseException) -> str:
    """Find the system's own words below the errors of three libraries."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            return below.strerror
        below = below.__context__
    return str(error)
