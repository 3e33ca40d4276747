"""What the pages share: where the fleet is, its view, the open tabs, and who may come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from zedops.clone.desk import Desk
from zedops.queries.output import FindingRow
from zedops.web.fleet_view import FleetView
from zedops.web.guesses import Guesses
from zedops.web.live import Live
from zedops.web.log_tails import Tails
from zedops.web.openid import OpenIds
from zedops.web.place import Place
from zedops.web.rules import RuleBook
from zedops.web.sessions import Sessions
from zedops.web.shares import Shares
from zedops.web.terminals import Terminals
from zedops.web.tickets import Tickets
from zedops.web.turns import Turns
from zedops.web.unsigned import Unsigned
from zedops.web.webauthn import Challenges


@dataclass(frozen=True)
class Site:
    """One fleet's page."""

    hub: Path
    folder: Path  #: the page's own directory on the manager's machine
    place: Place
    tickets: Tickets
    sessions: Sessions
    rules: RuleBook
    guesses: Guesses
    live: Live
    view: FleetView
    desk: Desk
    shares: Shares
    terminals: Terminals
    checkup: Callable[[Path], list[FindingRow]]  #: as `zedops doctor` does, by the hub's path
    checks: Turns = field(default_factory=Turns)
    tails: Tails = field(default_factory=Tails)
    challenges: Challenges = field(default_factory=Challenges)
    unsigned: Unsigned = field(default_factory=Unsigned)
    openids: OpenIds = field(default_factory=OpenIds)
