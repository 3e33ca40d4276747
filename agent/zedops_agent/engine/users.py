"""Finds the number of a container's user: only the image knows it by name."""

from __future__ import annotations

import io
import tarfile

import docker
import docker.errors

from zedops.errors import EngineFailed
from zedops_agent import owners

_PASSWD = "/etc/passwd"  # noqa: S105 - the file's name
#: A file above this size is no list of users.
_MAX_BYTES = 1 << 20


def uid_of(api: docker.APIClient, container: str) -> int:
    """Find the number of the user of a container that exists (passwd(5))."""
    named = str(api.inspect_container(container)["Config"].get("User") or "0")
    user = named.partition(":")[0]
    if (found := owners.numbers(user)) is not None:
        return found[0]
    if user == "root":
        return 0
    try:
        chunks, _ = api.get_archive(container, _PASSWD)
        raw = b""
        for chunk in chunks:
            raw += chunk
            if len(raw) > _MAX_BYTES:
                raise EngineFailed(f"{_PASSWD} of the image is too long to be one")
    except docker.errors.NotFound as error:
        raise EngineFailed(f"the image has no {_PASSWD} to tell who {user!r} is") from error
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        file = tar.extractfile(tar.next()) if tar.getmembers() else None  # type: ignore[arg-type]
        lines = file.read().decode("utf-8", "replace").splitlines() if file else []
    for line in lines:
        fields = line.split(":")
        if len(fields) > 3 and fields[0] == user and (found := owners.numbers(fields[2])):
            return found[0]
    raise EngineFailed(f"the image knows no user {user!r}; say `user:` as a number")
