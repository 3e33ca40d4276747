"""Writes nats-server's configuration, with the reason for each option. Pure.

Options: https://docs.nats.io/running-a-nats-service/configuration
"""

from __future__ import annotations

import json
from pathlib import Path


def render(folder: Path, accounts: Path, certificate: Path, listen: str, port: int) -> bytes:
    """Write the server's configuration; `accounts` is included from beside it."""
    pem = _quoted(certificate)
    return f"""# written by zedops; edits are overwritten
server_name: zedops
host: {_quoted(listen)}
port: {port}
include {_quoted(accounts.name)}
tls {{
  cert_file: {pem}
  key_file: {pem}
  # TLS begins before INFO: a client would believe a plain INFO that denies TLS
  handshake_first: true
  # all hosts come back at once after a restart: 1,000 handshakes take longer than the usual 2 s
  timeout: 15
}}
authorization {{ timeout: 20 }}
# only the managers' lease lives there
jetstream {{ store_dir: {_quoted(folder)}, max_memory_store: 16MB, max_file_store: 256MB }}
# a host's whole document is one message; the server advises against a larger limit
max_payload: 8MB
# a client that reads nothing for this long is disconnected, so that it does not delay the others
write_deadline: "10s"
# a host whose network went silent is gone after 15 s at most
ping_interval: "5s"
ping_max: 2
pid_file: {_quoted(folder / "nats-server.pid")}
# the manager's log has the time
logtime: false
""".encode()


def _quoted(value: str | Path) -> str:
    return json.dumps(str(value), ensure_ascii=False)
