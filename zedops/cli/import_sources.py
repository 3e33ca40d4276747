"""The sources of `zedops import`: a container, a compose file, a `docker run` line."""

from __future__ import annotations

import os
from pathlib import Path

import click

from zedops.clone.clone import Clone
from zedops.control.hosts import call
from zedops.errors import HostUnavailable, UsageError, ZedopsError
from zedops.protocol.requests import InspectRequest, Shape
from zedops.scaffold.compose import collect, run_line, services
from zedops.scaffold.compose.environment import in_fields
from zedops.scaffold.compose.project import Project, Reader, Source, chosen
from zedops.scaffold.compose.reading import Translation
from zedops.scaffold.container import read_fields
from zedops.scaffold.imported import Found, of_service

#: A larger file is no compose file.
_MOST_BYTES = 4 << 20


def from_container(
    clone: Clone, host: str, container: str, *, keep_secrets: bool = False
) -> Found:
    """Read a container of a host. ZedopsError if it is missing, or a server already."""
    shape = call(clone, host, InspectRequest(container=container), Shape)
    if shape.owner is not None:
        raise UsageError(f"{container} is a server of fleet {shape.owner!r}; see `zedops orphans`")
    fields, notes = read_fields(shape)
    found = Found(container, {**fields, "adopt": shape.name}, notes)
    if not keep_secrets and (password := in_fields(fields)):
        found.refused.append(password)
    return found


def from_compose(
    clone: Clone, host: str, path: Path, wanted: tuple[str, ...], profiles: tuple[str, ...],
    *, keep_secrets: bool,
) -> list[Found]:
    """Read a compose file; read a service from its container, if that exists on the host."""
    try:
        project = Reader(_read, os.environ).project(str(path.resolve()))
        sources = chosen(project, wanted, profiles)
    except ValueError as error:
        raise UsageError(str(error)) from error
    found = _translated(project, sources, keep_secrets=keep_secrets)
    collect.refuse_invalid(found)
    best = [_best(clone, host, each, keep_secrets=keep_secrets) for each in found]
    collect.share_data(best)  # some were read from their containers
    return best


def from_line(clone: Clone, host: str, line: str, *, keep_secrets: bool) -> list[Found]:
    """Read a `docker run` line, or its container, if that exists on the host."""
    try:
        project, source = run_line.read_run(line, str(Path.cwd()), os.environ)
    except ValueError as error:
        raise UsageError(str(error)) from error
    found = _translated(project, [source], keep_secrets=keep_secrets)
    collect.refuse_invalid(found)
    return [_best(clone, host, each, keep_secrets=keep_secrets) for each in found]


def _translated(
    project: Project, sources: list[Source], *, keep_secrets: bool
) -> list[Translation]:
    found = [services.translate(each, project, _read, _is_file, keep_secrets=keep_secrets)
             for each in sources]
    for note in [*project.notes, *collect.settle(found)]:
        click.echo(note, err=True)
    return found


def _best(clone: Clone, host: str, service: Translation, *, keep_secrets: bool) -> Found:
    for container in service.containers:
        try:
            running = from_container(clone, host, container, keep_secrets=keep_secrets)
        except HostUnavailable as error:
            click.echo(f"{service.name}: read from the file alone: {error}", err=True)
            break
        except ZedopsError:
            continue  # no container of that name
        running.name = running.service = service.name
        running.needs = service.needs
        return running
    return of_service(service)


def _read(path: str) -> bytes | None:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{path} is larger than {_MOST_BYTES >> 20} MiB, and no compose file")
    return content


def _is_file(path: str) -> bool | None:
    """Say whether a path is a file; None if nothing is there."""
    place = Path(path)
    try:
        return not place.is_dir() if place.exists() else None
    except OSError:
        return None
