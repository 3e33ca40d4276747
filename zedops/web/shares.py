"""Share links: a signed word that shows servers to any person who has it, until it ends.

The link is all there is: no list of links is kept. A new key ends all of them.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer

from zedops.errors import UsageError
from zedops.spec.quantities import format_duration
from zedops.web.session_key import SHARES, SessionKey

SHORTEST_S, LONGEST_S = 60.0, 30 * 86400.0
_MOST = 600  #: characters of a link's word
#: The use of a link from one address is news again after this time.
_NEWS_S, _MOST_USES = 3600.0, 1000


@dataclass(frozen=True)
class Share:
    """What a link shows, and until when."""

    id: str  #: for the log
    by: str  #: the address of the person who made it
    server: str | None  #: a server's id; None: all servers
    ends: float  #: seconds since the epoch


class Shares:
    """Makes and reads links; `folder` holds their key."""

    def __init__(self, folder: Path) -> None:
        self._key = SessionKey(folder, SHARES)
        self._uses: OrderedDict[tuple[str, str], float] = OrderedDict()

    def _signer(self) -> URLSafeSerializer:
        return URLSafeSerializer(self._key.now(), "zedops share")

    def make(self, by: str, server: str | None, for_s: float) -> str:
        """Make the path of a link. UsageError for a time that is too short or too long."""
        if not SHORTEST_S <= for_s <= LONGEST_S:
            least, most = format_duration(SHORTEST_S), format_duration(LONGEST_S)
            raise UsageError(f"a share link works for {least} to {most}")
        said = [secrets.token_hex(4), by[:200], server, int(time.time() + for_s)]
        return f"/share/{self._signer().dumps(said)}"

    def read(self, word: str) -> Share | None:
        """Read a link's word; None if it is forged, revoked, or too old."""
        if len(word) > _MOST:
            return None
        try:
            said = self._signer().loads(word)
            found = Share(str(said[0]), str(said[1]), said[2], float(said[3]))
        except (BadSignature, ValueError, TypeError, IndexError):
            return None
        return found if found.ends > time.time() else None

    def is_news(self, share: Share, source: str) -> bool:
        """Say whether the log is to tell of a use of a link from an address."""
        now, use = time.monotonic(), (share.id, source)
        if now - self._uses.get(use, now - _NEWS_S) < _NEWS_S:
            return False
        self._uses[use] = now
        self._uses.move_to_end(use)
        if len(self._uses) > _MOST_USES:
            self._uses.popitem(last=False)
        return True
