"""TLS: hosts trust one authority for ten years, and never notice that certificates change."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.machine import free_port
from tests.nats.clients import as_host, as_manager, connected, new_host, refused, run
from zedops.bus.nats import certificates
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.server import NatsServer
from zedops.errors import UsageError, ZedopsError

pytestmark = pytest.mark.nats
NOW = datetime.now(UTC)
NAMES = ["fleet.example", "192.0.2.7", "2001:db8::1"]


def held(authority: Authority, names: list[str], now: datetime) -> x509.Certificate:
    files = authority.server_files(names, now)
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def served(server: NatsServer, ca_pem: str) -> bytes:
    """Read the certificate that the server shows."""
    port = int(server.url.rpartition(":")[2])
    context = certificates.ssl_context(ca_pem)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as secure:
        shown = secure.getpeercert(binary_form=True)
        assert shown is not None
        return shown


def test_a_certificate_names_all_that_hosts_may_dial(authority: Authority) -> None:
    names = held(authority, NAMES, NOW).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"fleet.example", "localhost"}
    assert {str(each) for each in names.get_values_for_type(x509.IPAddress)} == {
        "192.0.2.7", "2001:db8::1", "127.0.0.1"
    }
    with pytest.raises(UsageError, match="neither a DNS name nor an address"):
        authority.server_files(["a..b"], NOW)


def test_a_certificate_stays_until_a_month_before_its_end(authority: Authority) -> None:
    first = held(authority, NAMES, NOW)
    assert held(authority, [*reversed(NAMES)], NOW + timedelta(days=334)) == first
    renewed = held(authority, NAMES, NOW + timedelta(days=336))
    assert renewed != first
    assert renewed.not_valid_after_utc > NOW + timedelta(days=336 + 364)


def test_other_names_or_a_damaged_file_make_a_new_certificate(authority: Authority) -> None:
    first = held(authority, NAMES, NOW)
    fewer = held(authority, NAMES[:1], NOW)
    assert fewer != first
    for damage in (b"", b"nonsense", first.public_bytes(Encoding.PEM)):
        (authority.folder / "server-private.pem").write_bytes(damage)
        assert held(authority, NAMES[:1], NOW) not in (first, fewer)


def test_a_certificate_of_another_authority_is_replaced(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority.open(tmp_path / "other")
    theirs = other.server_files(NAMES, NOW).certificate.read_bytes()
    (authority.folder / "server-private.pem").write_bytes(theirs)
    issuer = x509.load_pem_x509_certificate(authority.ca_pem.encode())
    held(authority, NAMES, NOW).verify_directly_issued_by(issuer)  # raises if it is not
    assert (authority.folder / "server-private.pem").read_bytes() != theirs


def test_no_certificate_outlives_its_authority(authority: Authority) -> None:
    ends = x509.load_pem_x509_certificate(authority.ca_pem.encode()).not_valid_after_utc
    assert held(authority, NAMES, ends - timedelta(days=10)).not_valid_after_utc == ends
    with pytest.raises(ZedopsError, match="authority has expired; join every host again"):
        authority.server_files(NAMES, ends + timedelta(days=1))


def test_the_authority_is_given_away_without_its_key(authority: Authority) -> None:
    assert "PRIVATE" not in authority.ca_pem
    assert authority.ca_pem.count("BEGIN CERTIFICATE") == 1
    with pytest.raises(ZedopsError, match="join again"):
        certificates.ssl_context("nonsense")


def test_a_renewed_certificate_lets_old_hosts_in_and_cuts_nobody_off(
    server: NatsServer, authority: Authority
) -> None:
    attic = new_host(authority, "attic")
    remembered = authority.ca_pem

    async def job() -> None:
        async with connected(server, remembered, attic, "_INBOX_attic") as long_here, \
                as_manager(server, authority) as manager:
            await long_here.hear("zed.d.attic.>")
            before = await asyncio.to_thread(served, server, remembered)
            # as if it had been made 340 days ago
            authority.server_files(["localhost", "127.0.0.1"], NOW - timedelta(days=340))
            await asyncio.to_thread(server.reload)
            after = await asyncio.to_thread(served, server, remembered)
            assert after != before
            ends = x509.load_der_x509_certificate(after).not_valid_after_utc
            assert ends > NOW + timedelta(days=360)
            await manager.say("zed.d.attic.desired")
            await long_here.wait_for(lambda: long_here.heard)
        async with connected(server, remembered, attic, "_INBOX_attic"):
            pass

    run(job())


def test_a_host_trusts_its_own_fleet_only(
    server: NatsServer, authority: Authority, tmp_path: Path
) -> None:
    other = Authority.open(tmp_path / "other")
    port = free_port()
    impostor = NatsServer(other, [f"tls://localhost:{port}"], "127.0.0.1", port)
    impostor.start()

    async def job() -> None:
        said = await refused(as_host(impostor, authority, "attic"))
        assert "certificate verify failed" in said
        elsewhere = {"tls_hostname": "fleet.example"}
        attic = new_host(authority, "attic")
        said = await refused(connected(server, authority.ca_pem, attic, **elsewhere))
        assert "hostname mismatch" in said

    try:
        run(job())
    finally:
        impostor.stop_server()


def test_nothing_is_said_in_plain_text(server: NatsServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        plain.sendall(b"CONNECT {}\r\nPING\r\n")
        heard = b""
        try:
            while chunk := plain.recv(4096):
                heard += chunk
        except ConnectionResetError:
            pass
    assert b"INFO" not in heard
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, \
            pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
