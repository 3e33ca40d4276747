"""The host's key for encrypted values: made once, and the private half never leaves this host.

`<root>/agent/<fleet>/age.key` is the private half, `recipient` beside it the public one.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from zedops.system import age, files

log = logging.getLogger(__name__)


class HostKey:
    """One fleet's key on this host; `identity` is empty until the agent has prepared it."""

    def __init__(self, home: Path) -> None:
        self.path = home / "age.key"
        self._shown = home / "recipient"
        self.identity = ""

    def prepare(self) -> None:
        """Make the key at the first start, and set a damaged one aside. Raises OSError.

        People must then encrypt again each value for a key that was set aside.
        """
        self.identity = self._read()
        if not self.identity:
            self.identity = age.new_identity()
            files.write(self.path, f"{self.identity}\n".encode())
        self._show()

    def _read(self) -> str:
        """Read the key; empty without one. Set a damaged key aside; empty then, too."""
        try:
            key = files.read(self.path).decode().strip()
            age.recipient_of(key)
        except FileNotFoundError:
            return ""
        except (ValueError, IsADirectoryError):
            fact = f"{self.path} is damaged; set aside as {files.set_aside(self.path).name}"
            remedy = "put it back from a backup, or encrypt each value again"
            log.error("%s, a new key is made; %s", fact, remedy)
            return ""
        return key

    def _show(self) -> None:
        """Keep the public key where its owner can read it."""
        recipient = self.recipient()
        try:
            if files.read(self._shown).decode("ascii", "replace").strip() == recipient:
                return
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            files.set_aside(self._shown)
        files.write(self._shown, f"{recipient}\n".encode())

    def recipient(self) -> str:
        """Name the public key."""
        return age.recipient_of(self.identity)

    def short_id(self) -> str:
        """Name the key in few letters, for a label."""
        return hashlib.sha256(self.recipient().encode()).hexdigest()[:8]
