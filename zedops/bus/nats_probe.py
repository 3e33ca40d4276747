"""Opens a connection to a NATS server as a client does, and reads its certificate's end.

Standard library only, so that it works without the NATS client. It sends no name and no password.
Source: the NATS client protocol (INFO comes first, then TLS; with `tls_first` TLS comes first).
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

from zedops.errors import HostUnavailable

_TIMEOUT_S = 5.0
_MAX_INFO = 64 * 1024


def certificate_end(url: str, ca: str | None, *, tls_first: bool) -> datetime | None:
    """Shake hands with a server; return the end of its certificate, None without TLS.

    HostUnavailable if it does not answer, or if its certificate does not verify.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 4222
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as link:
            if not tls_first and b'"tls_required":true' not in _first_line(link):
                return None
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=ca)
            with context.wrap_socket(link, server_hostname=host) as secure:
                ends = (secure.getpeercert() or {}).get("notAfter")
    except ssl.SSLCertVerificationError as error:
        raise HostUnavailable(f"{url}: {error.verify_message}") from error
    except OSError as error:
        raise HostUnavailable(f"{url}: {error.strerror or error}") from error
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC)


def _first_line(link: socket.socket) -> bytes:
    """Read the server's greeting and not a byte more: the next byte belongs to TLS."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _MAX_INFO:
        byte = link.recv(1)
        if not byte:
            break
        line += byte
    return line.replace(b" ", b"")
