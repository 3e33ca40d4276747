"""The fleet as an overview shows it: rows with more facts, filtered, sorted, cut into pages. Pure.

The manager makes the rows and tells of changes; the web page keeps them and asks this module for
what one reader wants to see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from zedops.fleet.fleet import Fleet
from zedops.fleet.lifecycle import due
from zedops.fleet.selection import folder, has_label, is_in
from zedops.protocol.remarks import BACKUP_FAILED
from zedops.queries import servers
from zedops.queries.conversion import written
from zedops.queries.rows import ServerRow
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of
from zedops.spec.state import Status

#: Statuses in the order of an overview: trouble first, deleted servers last.
ORDER = (
    Status.FAILED, Status.MISSING, Status.UNKNOWN, Status.PENDING, Status.CREATING,
    Status.DELETING, Status.STOPPED, Status.RUNNING, Status.DELETED,
)  # fmt: skip
_RANK = {each.value: number for number, each in enumerate(ORDER)}
#: Statuses that need a person.
TROUBLE = frozenset({Status.FAILED.value, Status.MISSING.value, Status.UNKNOWN.value})
#: The most servers on one page.
PAGE_SIZE = 100


@dataclass(frozen=True)
class FleetRow(ServerRow):
    """One server in an overview."""

    folder: str  #: below `servers.d/`; empty at the top
    labels: dict[str, str]
    game: str | None  #: its preset
    kept_until: str | None  #: time, only of a deleted server
    data_lost: bool
    waits: bool  #: whether its host has still to apply what the fleet asks for

    @property
    def is_deleted(self) -> bool:
        """Say whether this is a deleted server within its retention."""
        return kind_of(self.path) is Kind.TOMBSTONE

    @property
    def backup_failed(self) -> bool:
        """Say whether the last backup failed."""
        return (self.message or "").startswith(BACKUP_FAILED)

    @property
    def key(self) -> str:
        """Name the row: a deleted server and a new one may have the same name."""
        return f"{'d' if self.is_deleted else 's'}-{self.name}"


def row(fleet: Fleet, each: Document, *, waits: bool, progress: str | None = None) -> FleetRow:
    """Describe one server for an overview; `progress` is what its host does just now."""
    facts = servers.facts(fleet, each)
    if progress:
        facts, = servers.with_progress([facts], {each.id or "": progress})
    state, definition = each.state, fleet.resolve(each)[0] or each.definition
    ends = due(state, fleet.settings) if state else None
    return FleetRow(
        **vars(facts),
        folder=folder(each.path) if kind_of(each.path) is Kind.SERVER else "",
        labels=dict(definition.labels) if definition else {},
        game=fleet.game(each),
        kept_until=written(ends) if ends else None,
        data_lost=bool(state and state.data_lost),
        waits=waits,
    )


@dataclass(frozen=True)
class Filter:
    """What a reader wants to see. Every field narrows the choice; empty fields do not."""

    text: str = ""
    statuses: frozenset[str] = frozenset()
    host: str = ""
    folder: str = ""
    label: str = ""  #: `key` or `key=value`
    deleted: bool = False  #: deleted servers, too
    page: int = 1

    def fits(self, row: FleetRow) -> bool:
        """Say whether a row is wanted; deleted servers only where they are asked for."""
        return (
            (self.deleted or not row.is_deleted)
            and (not self.statuses or row.status in self.statuses)
            and self.host in ("", row.host)
            and is_in(row.folder, self.folder)
            and (not self.label.partition("=")[0] or has_label(row.labels, self.label))
            and self._has_text(row)
        )

    def _has_text(self, row: FleetRow) -> bool:
        said = " ".join((row.name, row.host or "", row.image or "", row.game or "", row.folder,
                         row.message or "", *row.ports)).casefold()
        return all(word in said for word in self.text.casefold().split())


@dataclass(frozen=True)
class Overview:
    """One page of the servers that a reader wants to see, with counts of the whole fleet."""

    rows: list[FleetRow]
    found: int
    total: int
    hidden: int  #: deleted servers that are not shown
    page: int
    pages: int
    counts: dict[str, int]  #: servers by status, in the order of an overview
    hosts: list[str]
    folders: list[str]


def overview(rows: Collection[FleetRow], wanted: Filter) -> Overview:
    """Choose, sort and cut rows: trouble first, then by name."""
    fitting = sorted((each for each in rows if wanted.fits(each)), key=_place)
    pages = max(1, -(-len(fitting) // PAGE_SIZE))
    page = min(max(1, wanted.page), pages)
    living = [each for each in rows if not each.is_deleted]
    counts = Counter(each.status for each in rows)
    return Overview(
        rows=fitting[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
        found=len(fitting),
        total=len(living),
        hidden=0 if wanted.deleted else len(rows) - len(living),
        page=page,
        pages=pages,
        counts={each.value: counts[each.value] for each in ORDER if counts[each.value]},
        hosts=sorted({each.host for each in rows if each.host}),
        folders=sorted({each.folder for each in living if each.folder}),
    )


def _place(each: FleetRow) -> tuple[int, str, str]:
    return _RANK.get(each.status, 0), each.name, each.path


def first_line(text: str | None) -> str:
    """Give the first line of a message."""
    return (text or "").partition("\n")[0]


def named(rows: Iterable[FleetRow], name: str) -> FleetRow | None:
    """Find a server by name; a living one wins over a deleted one."""
    found = [each for each in rows if each.name == name]
    return min(found, key=lambda each: each.is_deleted, default=None)
