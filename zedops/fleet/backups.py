"""Checks what definitions say about backups against the whole fleet. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from zedops.errors import Problem
from zedops.fleet.fleet import Fleet
from zedops.spec.backup import OWN, next_at, read_last
from zedops.spec.document import Document
from zedops.spec.layout import SETTINGS_PATH
from zedops.spec.model import Definition
from zedops.spec.quantities import format_duration
from zedops.spec.volume import VolumeKind

#: A backup may come so long after its time, beside others on its host.
_LATE = timedelta(minutes=30)
_LONG_AGO = datetime.fromtimestamp(0, UTC)


def late_at(
    fleet: Fleet, document: Document, definition: Definition | None
) -> datetime | None:
    """Say from when on a server's schedule lacks a backup; None without schedule or data.

    `definition` is the resolved one: a list of ten thousand resolves each once.
    """
    state = document.state
    if definition is None or definition.backup is None or state is None or not state.data_exists:
        return None
    if not definition.backup.scheduled:
        return None
    if state.backup is None:
        return state.since + _LATE if state.since else _LONG_AGO
    last, zone = read_last(state.backup), fleet.settings.timezone
    missed = next_at(definition.backup, last.at, zone)
    again = missed and next_at(definition.backup, missed, zone)
    return again + _LATE if again else None


def overdue(fleet: Fleet, document: Document, now: datetime) -> str | None:
    """Say that a server's schedule has no backup; None if it has, or has no schedule."""
    late = late_at(fleet, document, fleet.resolve(document)[0])
    if late is None or now <= late:
        return None
    state = document.state
    if state is None or state.backup is None:
        return f"{document.name} has a schedule of backups, and no backup yet"
    ago = format_duration((now - read_last(state.backup).at).total_seconds())
    return f"{document.name}: the last backup is {ago} old, and its schedule asks for more"


def unproven(fleet: Fleet, document: Document, now: datetime) -> str | None:
    """Say that no snapshot of a server was started for too long; None if `prove` asks for none."""
    definition, state = fleet.resolve(document)[0], document.state
    if definition is None or definition.backup is None or state is None or state.backup is None:
        return None
    every, last = definition.backup.prove, read_last(state.backup)
    since = last.proven_at or last.at
    if every is None or now <= since + timedelta(seconds=2 * every) + _LATE:
        return None
    ago = format_duration((now - since).total_seconds())
    return f"{document.name}: no snapshot of it was started for {ago}, and `prove` asks for that"


def late(fleet: Fleet, now: datetime) -> Iterator[tuple[str, str]]:
    """Find each server that lacks a backup or a proof: a key for telling once, and the words."""
    for each in fleet.servers():
        if each.state is None or not each.state.data_exists:
            continue
        for kind, find in (("overdue", overdue), ("unproven", unproven)):
            if (said := find(fleet, each, now)) is not None:
                yield f"{each.state.id} {kind} {each.state.backup}", said


def problems(fleet: Fleet, document: Document, resolved: Definition | None) -> list[Problem]:
    """Find a repository that the settings do not name, and a restore without a place."""
    if resolved is None:
        return []
    found = []
    repository = resolved.backup.repository if resolved.backup else OWN
    if repository != OWN and repository not in fleet.settings.backups:
        known = ", ".join([OWN, *sorted(fleet.settings.backups)])
        fact = f"{repository!r} is no repository of this fleet"
        remedy = f"use one of {known}, or add it to `backups:` in {SETTINGS_PATH}"
        found.append(document.problem(("backup", "repository"), fact, remedy))
    data = {key for key, each in resolved.volumes.items() if each.kind is VolumeKind.DATA}
    if resolved.backup is not None and resolved.backup.scheduled and not data:
        fact = "it has no data volume, so there is nothing to back up"
        remedy = "add one to `volumes:`, or remove the schedule"
        found.append(document.problem(("backup",), fact, remedy))
    world = resolved.world
    foreign = [key for key in sorted(data) if resolved.volumes[key].source is not None]
    if world is not None and world.restore is not None and foreign:
        fact = f"volume {foreign[0]!r} has a `source:` of its own, which zedops never replaces"
        remedy = "restore it by hand: `zedops backup export`"
        found.append(document.problem(("world", "restore"), fact, remedy))
    return found
