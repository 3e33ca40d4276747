"""Volumes that an image declares and no mount covers: the next container does not get them."""

from __future__ import annotations

import pytest

from zedops.spec.model import Definition
from zedops_agent.container_spec import uncovered
from zedops_agent.engine.parse import image

IMAGE = {"Id": "sha256:aa", "Config": {"Volumes": {"/logs": {}, "/data/": {}}}}


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        (["/data", "/logs"], None), (["/data"], "/logs"), ([], "/data/, /logs"),
        (["/dat", "/logs"], "/data/"), (["/data", "/logs/deep"], "/logs"),
    ],
)
def test_only_a_mount_on_the_very_path_covers_it(paths: list[str], left: str | None) -> None:
    volumes = {f"v{at}": path for at, path in enumerate(paths)}
    definition = Definition.model_validate({"image": "a", "volumes": volumes})
    told = uncovered(definition, image(IMAGE))
    assert told == (left and (
        f"the image keeps {left} in a nameless volume that the next container does not get;"
        " add the path to `volumes:` to keep what is in it"
    ))


def test_an_image_without_volumes_has_nothing_to_cover() -> None:
    assert uncovered(Definition(image="a"), image({"Id": "sha256:aa", "Config": {}})) is None
