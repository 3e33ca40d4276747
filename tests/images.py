"""Images of the tests' own in a real registry. For tests."""

from __future__ import annotations

import contextlib

import docker


def publish(api: docker.APIClient, image: str, name: str) -> None:
    """Push an image as `name:1`."""
    api.tag(image, name, "1")
    said = api.push(name, tag="1")
    assert "error" not in said, said


def changed(api: docker.APIClient, image: str, *changes: str) -> str:
    """Make another image that differs in some lines of its Dockerfile; returns its id."""
    made = api.create_container(image)
    try:
        committed: str = api.commit(made["Id"], changes="\n".join(changes))["Id"]
        return committed
    finally:
        api.remove_container(made["Id"])


def forget(api: docker.APIClient, name: str) -> None:
    """Drop what has a name, by name and not by id: the image itself has others."""
    for each in api.images(name=name):
        for reference in [*(each["RepoTags"] or []), *(each["RepoDigests"] or [])]:
            if reference.startswith(name) and "<none>" not in reference:
                with contextlib.suppress(docker.errors.ImageNotFound):
                    api.remove_image(reference, force=True)
