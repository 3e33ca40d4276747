"""An agent that is told to end does so at once, whatever each of its threads waits for."""

from __future__ import annotations

import threading
import time

import pytest

from tests.docker.host import Host

pytestmark = pytest.mark.docker

#: Less than the agent gives a thread that does not end.
_AT_ONCE_S = 4.0


def end(host: Host) -> None:
    """End an agent and see that nothing of it is left."""
    begun = time.monotonic()
    host.stop()
    assert time.monotonic() - begun < _AT_ONCE_S
    left = {each.name for each in threading.enumerate()}
    assert not left & {"dispatch", "listen", "tick", "watch"}


def test_an_agent_at_rest_ends_at_once(host: Host) -> None:
    host.wait_running(host.want("rosewood"))
    end(host)


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.003, 0.01, 0.03, 0.1])
def test_an_agent_that_has_only_begun_ends_at_once(host: Host, after_s: float) -> None:
    end(host)
    host.start()
    threading.Event().wait(after_s)  # no wait for anything: the moment is what is tried
    end(host)
