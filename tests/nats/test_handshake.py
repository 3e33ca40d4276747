"""What the doctor sees of a NATS server: who does not answer, who is not who they should be."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.machine import free_port
from tests.nats.sides import wait_for
from zedops.bus.nats import certificates
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.server import NatsServer
from zedops.protocol.findings import Verdict
from zedops_agent.diagnostics import check_nats

pytestmark = pytest.mark.nats


def test_a_server_that_answers_says_until_when(server: NatsServer, authority: Authority) -> None:
    found = check_nats(server.url, authority.ca_pem, tls_first=True)
    ends = datetime.now(UTC) + certificates.SERVER_LASTS
    assert found.verdict is Verdict.GOOD, found
    assert f"ends on {ends:%Y-%m-%d}" in found.fact


def test_a_certificate_near_its_end_is_told(authority: Authority) -> None:
    ca = (authority.folder / "ca-private.pem").read_bytes()
    long_ago = datetime.now(UTC) - certificates.SERVER_LASTS + timedelta(days=3)
    port = free_port()
    made = NatsServer(authority, [f"tls://localhost:{port}"], "127.0.0.1", port)
    made.start()
    try:
        old = certificates.new_server(ca, ["localhost", "127.0.0.1"], long_ago)
        pem = authority.folder / "server-private.pem"
        # as after a year without a restart: the server holds what was good then
        pem.write_bytes(old)
        assert made.pid is not None
        os.kill(made.pid, signal.SIGHUP)
        wait_for(lambda: check_nats(made.url, authority.ca_pem, tls_first=True).remedy)
        found = check_nats(made.url, authority.ca_pem, tls_first=True)
    finally:
        made.stop_server()
    assert found.verdict is Verdict.WARNING, found


def test_a_stranger_is_not_taken_for_the_fleet_s_server(server: NatsServer, tmp_path: Path) -> None:
    other = Authority.open(tmp_path / "other")
    found = check_nats(server.url, other.ca_pem, tls_first=True)
    assert found.verdict is Verdict.WRONG
    assert "certificate" in found.fact


def test_nobody_there_is_wrong_with_a_remedy(authority: Authority) -> None:
    found = check_nats(f"tls://localhost:{free_port()}", authority.ca_pem, tls_first=True)
    assert found.verdict is Verdict.WRONG
    assert "Connection refused" in found.fact
    assert found.remedy
