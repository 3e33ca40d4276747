"""The secret by which an OpenID provider knows the page: a file of the manager, never in git.

It belongs to one provider and client. So a push that names another provider cannot have it sent
there. The command line uses this without loading the page, so it imports the standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from zedops.system import files

_NAME = "oidc-secret"


class Client(Protocol):
    """A provider, and the name by which it knows the page."""

    @property
    def issuer(self) -> str:
        """Name the provider."""
        ...

    @property
    def client_id(self) -> str:
        """Name the page as the provider knows it."""
        ...


def keep(folder: Path, issuer: str, client_id: str, secret: str) -> None:
    """Keep the secret of a provider's client; only the manager's user can read it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    said = {"issuer": issuer, "client_id": client_id, "secret": secret}
    files.write(folder / _NAME, json.dumps(said).encode(), 0o600)


def read_secret(folder: Path, client: Client) -> str | None:
    """Read the secret of a provider's client; None without one: PKCE alone protects the code."""
    try:
        said = json.loads(files.read(folder / _NAME, 1 << 16))
        if (said["issuer"], said["client_id"]) == (client.issuer, client.client_id):
            return str(said["secret"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return None
