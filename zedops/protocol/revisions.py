"""What a peer of an earlier release can read: which optional fields came when.

A message may gain optional fields within one VERSION. Each set of them is a revision, which every
message names beside VERSION. A peer that names none reads no field it does not know, so `written`
leaves out what came later. A receiver ignores fields that it does not know.

A field that an older peer must not ignore is no addition: it needs a new `kind`, or a new VERSION.
Decides no transport.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from zedops.errors import NewerDefinition
from zedops.protocol.requests import Pong, Shape
from zedops.protocol.sync import Activity, DesiredDocument, Report

#: Increased with every optional field that is added to a message.
REVISION = 1

#: A message names no more servers than this that are not understood.
_MOST = 3

#: The fields that came with each revision, as pydantic's `exclude` names them.
ADDED: dict[int, dict[type[BaseModel], dict[str, Any]]] = {
    1: {
        DesiredDocument: {
            "hub": True, "servers": {"__all__": {
                "repository": True, "kept_s": True, "timezone": True, "move": True,
            }},
        },
        Report: {"servers": {"__all__": {"under": True, "backup": True, "move": True}}},
        Shape: {"options": True, "attachments": True},
        Pong: {"data_root": True, "boot_id": True},
    },
}


def written(message: BaseModel, revision: int = REVISION) -> str:
    """Write a message as JSON for a peer of a revision.

    A document has no fields with default values: an older host then reads every definition that
    uses no newer field. The defaults are the same in all releases, because hashes rest on them.
    """
    if isinstance(message, Report) and revision < 1:
        message = _without_backups(message)
    exclude: dict[str, Any] = {}
    for number, added in ADDED.items():
        if number > revision:
            exclude |= added.get(type(message), {})
    lean = isinstance(message, DesiredDocument)
    return message.model_dump_json(exclude=exclude or None, exclude_defaults=lean)


def _without_backups(report: Report) -> Report:
    """Name no activity that came with revision 1."""
    servers = tuple(
        each.model_copy(update={"activity": Activity.OTHER})
        if each.activity is Activity.BACKUP else each for each in report.servers
    )
    return report.model_copy(update={"servers": servers})


def read_document(said: object) -> DesiredDocument:
    """Read a document from JSON's values; ValueError if it is none.

    NewerDefinition if this release does not understand a definition in it.
    """
    try:
        return DesiredDocument.model_validate(said)
    except ValidationError as error:
        if not (found := not_understood(error)):
            raise
        fact = f"the host's zedops does not understand {', '.join(found.values())}"
        newer = NewerDefinition(f"{fact}; upgrade zedops of the host")
        newer.servers = tuple(found)
        raise newer from error


def not_understood(error: ValidationError) -> dict[str, str]:
    """Find what is not understood in definitions, by server; empty if anything else is wrong."""
    found: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        place = [str(part)[:100] for part in each["loc"]]
        if len(place) < 4 or (place[0], place[2]) != ("servers", "definition"):
            return {}
        found.setdefault(place[1], f"`{'.'.join(place[3:])}` of server {place[1]}")
    return dict(list(found.items())[:_MOST])
