"""A server that is starting, as people see it: in lists, in JSON, in git."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.machine import Machine

pytestmark = [pytest.mark.docker, pytest.mark.system]


def test_a_server_is_shown_as_starting_until_its_log_says_that_it_is_ready(
    machine: Machine,
) -> None:
    machine.init()
    machine.up()
    loop = ("trap \"exit 0\" TERM; while :; do [ -e /data/open ] && echo it is open;"
            " /bin/busybox sleep 0.1; done")
    machine.write("servers.d/rosewood.yaml", (
        f"image: {machine.image}\nvolumes: {{world: /data}}\nstop: {{grace: 1s}}\n"
        f"command: [/bin/sh, -c, '{loop}']\nready: {{log: is open$, timeout: 60s}}\n"
    ))
    machine.push("begin")

    def row() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(machine.zedops("list", "--json").stdout)[0]
        return found

    machine.wait_for(lambda: row()["ready"] is False)
    assert row()["status"] == "running"
    assert row()["message"] == "starting: it runs, and waits for `is open$` in its log"
    assert "\tstarting\t" in machine.zedops("list").stdout
    assert "rosewood is starting" in machine.zedops("show", "rosewood").stdout
    world = machine.data_root / "servers" / row()["id"] / "world"
    (world / "open").touch()
    machine.wait_for(lambda: row()["ready"] is True)
    assert row()["message"] is None
    assert "\trunning\t" in machine.zedops("list").stdout
