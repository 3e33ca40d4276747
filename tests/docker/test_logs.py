"""Lines of a long log from a real Engine: the end, older pages, a place, a search, following."""

from __future__ import annotations

from typing import Any

import pytest

from tests.docker.host import Host
from zedops.protocol.log_lines import End, Line, read
from zedops.protocol.requests import LogsRequest

pytestmark = pytest.mark.docker

#: More than the first window of a reading.
MANY = 30_000


def said(host: Host, server: str, **wanted: Any) -> tuple[list[Line], End]:
    """Read one answer."""
    asked = LogsRequest(server_id=server, lines=True, **wanted)
    assert host.agent is not None
    rows = b"".join(host.agent.stream(asked)).decode().splitlines()
    *lines, end = map(read, rows)
    assert isinstance(end, End)
    return [each for each in lines if isinstance(each, Line)], end


def texts(lines: list[Line]) -> list[str]:
    return [each.text for each in lines]


@pytest.mark.parametrize("tty", [False, True])
def test_any_part_of_a_long_log_can_be_read(host: Host, tty: bool) -> None:
    last = f"seq {MANY} | sed 's/^/n/'; echo ready; sleep 1000"
    server = host.want("long", (
        f"stop: {{grace: 1s}}\ntty: {str(tty).lower()}\n"
        f"command: [/bin/busybox, sh, -c, \"{last}\"]\n"
    ))
    host.wait_running(server)
    host.until(lambda: texts(said(host, server, tail=1)[0]) == ["ready"])
    lines, end = said(host, server, tail=3)
    assert texts(lines) == [f"n{MANY - 1}", f"n{MANY}", "ready"]
    assert end == End()
    lines, _ = said(host, server, tail=2, before=lines[0].id)
    assert texts(lines) == [f"n{MANY - 3}", f"n{MANY - 2}"]
    hits, end = said(host, server, tail=50, search="N17", context=1)
    assert len(hits) == 50
    assert end == End()
    found, end = said(host, server, tail=50, search=f"n{MANY // 2}", context=1)
    assert texts(found) == [f"n{MANY // 2 - 1}", f"n{MANY // 2}", f"n{MANY // 2 + 1}"]
    assert (end.is_first, [each.is_hit for each in found]) == (True, [False, True, False])
    beside, _ = said(host, server, tail=4, around=found[1].id)
    assert texts(beside) == [f"n{MANY // 2 + n}" for n in (-2, -1, 0, 1, 2)]
    seen, end = beside[:1], End()
    while not end.is_first:
        older, end = said(host, server, tail=2000, before=seen[0].id)
        seen = [*older, *seen]
    assert texts(seen) == [f"n{n}" for n in range(1, MANY // 2 - 1)]


def test_a_follower_gets_new_lines_after_its_last_and_ends(host: Host) -> None:
    script = "i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.05; done"
    server = host.want("ticks", (
        f"stop: {{grace: 1s}}\ncommand: [/bin/busybox, sh, -c, \"{script}\"]\n"
    ))
    host.wait_running(server)
    host.until(lambda: len(said(host, server, tail=9)[0]) >= 3)
    last = said(host, server, tail=9)[0][1]
    assert host.agent is not None
    wanted = LogsRequest(server_id=server, lines=True, follow=True, after=last.id, follow_s=1)
    found = [read(each.decode()) for each in host.agent.stream(wanted)]
    assert found[-1] == End()
    ticks = [int(each.text.split()[1]) for each in found if isinstance(each, Line)]
    first = int(last.text.split()[1]) + 1
    assert ticks == list(range(first, first + len(ticks)))
    assert len(ticks) > 5
    silent = host.agent.stream(LogsRequest(server_id=server, lines=True, follow=True, tail=1))
    next(silent)
    silent.abort()
    assert not [each for each in silent if read(each.decode()) != End()][50:]
