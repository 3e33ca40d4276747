"""An agent that is told to end does so at once, whatever each of its threads waits for."""

from __future__ import annotations

import threading
import time

import pytest

from tests.docker.host import Host

pytestmark = pytest.mark.docker

#: Less than the agent gives a thread that does not end.
_AT_ONCE_S = 4.0


@pytest.mark.parametrize("settled", [False, True])
def test_an_agent_ends_at_once_and_leaves_no_thread(host: Host, settled: bool) -> None:
    if settled:
        host.wait_running(host.want("rosewood"))
    else:
        host.stop()
        host.start()
    begun = time.monotonic()
    host.stop()
    assert time.monotonic() - begun < _AT_ONCE_S
    loops = {"dispatch", "listen", "tick", "watch"}
    assert not loops & {each.name for each in threading.enumerate()}
