"""Brings the image of a server's next container to the host, and remembers it until its creation.

A tag may have moved to another image. So a replacement uses the image of the former container,
unless the definition names another one or a person asks for a rebuild.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from zedops.errors import EngineFailed, EngineUnreachable
from zedops.protocol.sync import DesiredServer
from zedops.spec.container_options import PullPolicy
from zedops_agent.engine.images import EngineImages
from zedops_agent.limiter import Limiter
from zedops_agent.observed import Image
from zedops_agent.steps import Pull

#: Answers of registries to unknown users; some answer for a private image as for a missing one.
_UNKNOWN = ("unauthorized", "no basic auth", "authentication required", "access denied", "denied:")
#: Answers of registries that lack an image.
_NOT_THERE = ("manifest unknown", "not found", "name unknown")
#: An answer about an image counts for this time: hundreds of containers may need it at once.
_IMAGE_S = 0.2


class Images:
    """The images for the next containers, by server."""

    def __init__(self, images: EngineImages, pace: Limiter) -> None:
        self._images, self._pace = images, pace
        #: The image that a plan's first step found, for the steps after it.
        self._found: dict[str, Image] = {}

    def have(
        self, step: Pull, want: DesiredServer, progress: Callable[[str], None]
    ) -> str | None:
        """Carry out a pull; return a note for people, if any."""
        ran = self._images.find(step.ran, _IMAGE_S) if step.ran else None
        if ran is not None:
            return self._keep(ran, step, want)
        note = None
        never = want.definition.pull is PullPolicy.NEVER
        found = self._images.find(step.image, _IMAGE_S) if never or not step.newest else None
        if found is None and never:
            fact = f"image {step.image} is not on this host, and `pull: never` asks no registry"
            raise EngineFailed(f"{fact}; build or load it there")
        if found is None:
            found, note = self._pull(step, progress, want.definition.platform)
        if found is not None:
            self._found[want.id] = found
        if found is not None and step.ran is not None:
            gone = f"the image that ran, {_short(step.ran)}, is gone from this host"
            note = f"{gone}; {step.image} was taken as it is now, {_short(found.id)}"
        return note

    def user(self, want: DesiredServer) -> str:
        """Name the image's user, for a definition without a user of its own."""
        image = self._found.get(want.id) or self._images.find(want.definition.image)
        return image.user if image else ""

    def take(self, want: DesiredServer) -> Image:
        """Return the image for the container that the next step makes."""
        image = self._found.pop(want.id, None) or self._images.find(want.definition.image)
        if image is None:
            raise EngineFailed(f"image {want.definition.image} is not on this host; pull it again")
        return image

    def _keep(self, ran: Image, step: Pull, want: DesiredServer) -> str | None:
        named = self._images.find(step.image, _IMAGE_S)
        if named is not None and named.id == ran.id:
            self._found[want.id] = ran
            return None
        self._found[want.id] = replace(ran, made_by_id=True)
        if named is None:
            return None
        remedy = f"`zedops rebuild {want.name}` takes the newest one"
        return f"made of the image that ran; {step.image} means another one by now, {remedy}"

    def _pull(
        self, step: Pull, progress: Callable[[str], None], platform: str | None
    ) -> tuple[Image | None, str | None]:
        try:
            with self._pace.pull():
                progress(f"pulling {step.image}")
                self._images.pull(step.image, progress, platform)
        except EngineUnreachable:
            raise
        except EngineFailed as error:
            said = str(error)
            here = self._images.find(step.image)
            if here is not None and (here.unpublished or any(each in said for each in _NOT_THERE)):
                note = f"no registry has {step.image}: made of the one on this host"
                return here, f"{note}, {_short(here.id)}"
            named = "" if step.image in said else f"cannot pull {step.image}: "
            way = _how_to_be_known(step.image, said)
            raise EngineFailed(f"{named}{said}{way}") from error
        return self._images.find(step.image), None


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def _how_to_be_known(image: str, said: str) -> str:
    """Name the remedy where a registry wants a login."""
    if not any(words in said.lower() for words in _UNKNOWN):
        return ""
    host, slash, _ = image.partition("/")
    registry = f" {host}" if slash and any(each in host for each in ".:") else ""
    return f"; `docker login{registry}` on this host, as the user that runs zedops, may help"
