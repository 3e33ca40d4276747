"""An image's name as the Engine understands it: `docker.io/library/nginx:latest`. Pure.

Guards one rule: a policy judges the same name that the Engine will use. Text that the Engine takes
for an image's id has no name, and text that the Engine refuses is no reference.
Source: distribution/reference, `ParseNormalizedNamed` and its grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HUB, _OLD_HUB, _OFFICIAL = "docker.io", "index.docker.io", "library"
_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?")
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"({_PART}(?:/{_PART})*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
#: A whole id, or a prefix of one after its algorithm: the Engine searches its ids for both.
_ID = re.compile(r"sha256:[0-9a-f]+|[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """One image's name in full."""

    repository: str  #: `docker.io/library/nginx`
    tag: str  #: `latest` if neither tag nor digest was written; empty beside a digest
    digest: str

    @property
    def key(self) -> tuple[str, str]:
        """Identify the image: by its digest if written, which outranks a tag, else by its tag."""
        return self.repository, self.digest or self.tag


def is_id(image: str) -> bool:
    """Say whether the Engine takes this text for an image's id, or a prefix of one."""
    return _ID.fullmatch(image) is not None


def parse(image: str) -> Reference | None:
    """Read a reference; None if the Engine takes it for an id, or refuses it."""
    if is_id(image):
        return None
    named, at, digest = image.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        return None
    first, slash, rest = named.partition("/")
    is_domain = first == "localhost" or first.lower() != first or "." in first or ":" in first
    domain, path = (first, rest) if slash and is_domain else (_HUB, named)
    match = _PATH.fullmatch(path)
    if match is None or not _DOMAIN.fullmatch(domain):
        return None
    domain = _HUB if domain == _OLD_HUB else domain
    inside = match[1] if domain != _HUB or "/" in match[1] else f"{_OFFICIAL}/{match[1]}"
    tag = "" if digest else match[2] or "latest"
    return Reference(f"{domain}/{inside}", tag, digest)


def is_among(image: str, names: list[str]) -> bool:
    """Say whether `image` names an image that has these names (RepoTags, RepoDigests)."""
    wanted = parse(image)
    known = (parse(each) for each in names)
    return wanted is not None and any(each and each.key == wanted.key for each in known)
