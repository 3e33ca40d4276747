"""A real registry on loopback, and images for it. For tests that pull."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker

from tests.machine import free_port

_DEADLINE_S = 20.0


def binary() -> str | None:
    """Find the registry's program."""
    return shutil.which("docker-registry")


@contextlib.contextmanager
def serve(program: str, folder: Path) -> Iterator[str]:
    """Run a registry; gives its `host:port`."""
    address = f"127.0.0.1:{free_port()}"
    (folder / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\n"
        f"http: {{addr: {address}}}\nlog: {{level: error}}\n"
    )
    server = subprocess.Popen(
        [program, "serve", str(folder / "config.yml")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(address)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the registry does not answer"
            time.sleep(0.05)
        else:
            return


def publish(api: docker.APIClient, image: str, name: str) -> None:
    """Push an image as `<name>:1`."""
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
    """Drop every reference to an image of that name from the Engine."""
    for each in api.images(name=name):
        # by its names here, not by its id: the image itself has another one
        for reference in [*(each["RepoTags"] or []), *(each["RepoDigests"] or [])]:
            if reference.startswith(name) and "<none>" not in reference:
                with contextlib.suppress(docker.errors.ImageNotFound):
                    api.remove_image(reference, force=True)
