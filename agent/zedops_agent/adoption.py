"""Compares a container that zedops did not make with a definition. Pure.

A container takes no new labels, so zedops knows an adopted one by its id, and reads its options
from the container itself. zedops adopts it only unchanged: otherwise it names the differences, and
does nothing. It also names options that no definition can express (`beyond`): adoption must not
give a server an option that its host refuses to new containers. Ceilings do not count, because
zedops sets them while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from zedops.protocol.requests import Shape
from zedops.spec.container_options import Attachment, ContainerOptions
from zedops.spec.model import Definition, Profile, SecretsAs
from zedops_agent.ports import bindings

#: Fields that other code compares, or that no container shows: the time of a pull, and the chosen
#: platform. An init changes no other field of a definition.
_NOT_COMPARED = {"networks", "cap_add", "pull", "init", "platform"}


def differences(
    shape: Shape, definition: Definition, places: Mapping[str, Path | None], *, taken: bool = False
) -> tuple[str, ...]:
    """Name the fields in which a container differs from a definition.

    `places` gives the place of each volume of the definition on this host. `taken`: zedops has
    adopted the container already. Then it compares only the fields of that time, so that no new
    release recreates it.
    """
    found = [*_differences(shape, definition, places)]
    return tuple(found if taken else [*found, *_strictly(shape, definition)])


def _differences(
    shape: Shape, definition: Definition, places: Mapping[str, Path | None]
) -> Iterator[str]:
    if shape.image != definition.image:
        yield f"image ({shape.image})"
    command = definition.command
    if command != shape.command:
        yield "command"
    yield from _env(shape, definition)
    if bindings(definition) != set(shape.ports):
        yield "ports"
    yield from _volumes(shape, definition, places)
    for field in ("user", "hostname", "health"):
        if getattr(definition, field) != getattr(shape, field):
            yield field
    if set(definition.network_names) not in (set(shape.networks), _first(shape.networks)):
        yield "networks"
    if set(definition.cap_add) != set(shape.cap_add):
        yield "cap_add"


def _first(networks: tuple[str, ...]) -> set[str]:
    """Read the first network: earlier releases compared only that one."""
    return set(networks[:1]) - {"bridge"}


def _strictly(shape: Shape, definition: Definition) -> Iterator[str]:
    wanted = set(definition.network_names)
    if wanted != set(shape.networks) and wanted == _first(shape.networks):
        yield "networks"
    # a shape leaves out the labels of the image and of other tools' bookkeeping
    if definition.labels != shape.labels:
        yield "labels"
    if definition.profile is not Profile.DEFAULT:
        yield "profile"
    yield from _options(shape, definition)
    if definition.secrets and definition.secrets_as is SecretsAs.FILES:
        yield "secrets_as"


def _options(shape: Shape, definition: Definition) -> Iterator[str]:
    """Compare the options that only a container shows, and its endpoints in its networks."""
    compared = set(ContainerOptions.model_fields) - _NOT_COMPARED
    shown = ContainerOptions.model_validate(shape.options)
    for name in sorted(compared):
        if getattr(definition, name) != getattr(shown, name):
            yield name
    places = definition.networks if isinstance(definition.networks, dict) else {}
    wanted = {name: each for name, each in places.items() if each != Attachment()}
    if wanted != {name: Attachment.model_validate(each)
                  for name, each in shape.attachments.items()}:
        yield "networks"


def _env(shape: Shape, definition: Definition) -> Iterator[str]:
    secrets = definition.secrets if definition.secrets_as is SecretsAs.ENV else ()
    wanted = set(definition.env) | set(secrets)
    for name in sorted(wanted ^ set(shape.env)):
        yield f"env.{name}"
    for name, value in shape.env.items():
        # a shape leaves out a value that looks like a secret: only its name can be compared
        if value is not None and name in definition.env and definition.env[name] != value:
            yield f"env.{name}"


def _volumes(
    shape: Shape, definition: Definition, places: Mapping[str, Path | None]
) -> Iterator[str]:
    mounted = {each.target: each for each in shape.mounts}
    for key, volume in definition.volumes.items():
        mount = mounted.pop(volume.path, None)
        if mount is None or mount.read_only != volume.read_only:
            yield f"volumes.{key}"
        elif mount.source not in (
            None if volume.subpath else volume.source, str(places.get(key))
        ):
            yield f"volumes.{key} ({mount.source})"
    for target in sorted(mounted):
        yield f"a mount at {target}"
