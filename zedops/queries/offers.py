"""Which acts the page offers for a server, by its status and its data. Pure.

A server that is being made or removed, or whose host does not answer, offers none: the page says
what goes on instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from zedops.queries.overview import FleetRow
from zedops.spec.state import Status


@dataclass(frozen=True)
class Offer:
    """One button."""

    verb: str
    label: str


_S = Status
_START, _STOP = Offer("start", "Start"), Offer("stop", "Stop")
_RESTART, _REBUILD = Offer("restart", "Restart"), Offer("rebuild", "Rebuild")
_DELETE, _PURGE = Offer("delete", "Delete"), Offer("purge", "Purge")
_RETRY, _EDIT = Offer("retry", "Retry"), Offer("edit", "Edit & retry")
_RECOVER = Offer("retry", "Start")
_RESTORE, _PURGE_NOW = Offer("restore", "Restore"), Offer("purge", "Purge now")

#: Acts that may be done to several servers at once.
SEVERAL = (_START, _STOP, _RESTART, _REBUILD, _RETRY, _DELETE, _RESTORE)

#: What the page says of a server that offers nothing.
_GOING_ON = {
    _S.PENDING.value: "Its host has not begun yet.",
    _S.CREATING.value: "Its host makes the container.",
    _S.DELETING.value: "Its host stops and removes the container.",
    _S.UNKNOWN.value: "Its host does not answer. The last facts stand.",
}


_PUT_BACK = "Put its data back where it was, from a backup; then it starts by itself."
#: All that `going_on` says, for translations.
TEXTS = (*_GOING_ON.values(), _PUT_BACK)


def offers(row: FleetRow) -> tuple[Offer, ...]:
    """List the acts for a server, the usual one first."""
    match row.status:
        case _S.RUNNING.value:
            return _STOP, _RESTART, _REBUILD, _DELETE
        case _S.STOPPED.value:
            return (_START if row.desired == "stopped" else _RECOVER), _DELETE
        case _S.MISSING.value if row.data_exists and not row.data_lost:
            return (_START if row.desired == "stopped" else _RECOVER), _PURGE
        case _S.MISSING.value:
            return (_PURGE,)
        case _S.FAILED.value:
            return _EDIT, _RETRY, _PURGE
        case _S.DELETED.value:
            return _RESTORE, _PURGE_NOW
        case _:
            return ()


def going_on(row: FleetRow) -> str:
    """Say why a server offers nothing, or how lost data is put back; empty otherwise."""
    if row.status == _S.MISSING.value and row.data_lost:
        return _PUT_BACK
    return _GOING_ON.get(row.status, "")
