"""Fleets that live on another git remote: options shared by `up` and `manager`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from zedops.clone import checkout
from zedops.clone.clone import Clone
from zedops.errors import GitFailed, HubOutdated, UsageError, ZedopsError
from zedops.fleet.fleet import read_settings
from zedops.git.credentials import for_this_process, helper
from zedops.git.remote import TAKEN, Upstream, checked_url
from zedops.hub import older, snapshot
from zedops.hub.configuration import UPSTREAM
from zedops.hub.hub import Hub
from zedops.hub.upstream import BranchContent, UpstreamMerger
from zedops.manager import commit_status
from zedops.manager.last_good import Judge
from zedops.manager.loop import Manager
from zedops.manager.upstream_sync import MAIN, Mirror
from zedops.manager.upstream_timing import UpstreamTiming
from zedops.manager.webhook import Webhook
from zedops.spec.layout import SETTINGS_PATH
from zedops.spec.quantities import parse_duration
from zedops.system.paths import default_hub

#: The time that the upstream gets at the start; servers wait for no upstream.
_SOON = "5s"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Remote:
    """The upstream options of a command line."""

    upstream: str | None
    hub: Path | None
    credentials: Path | None
    poll: str
    gap: str
    timeout: str
    webhook: str | None
    webhook_secret: Path | None
    status_api: str | None

    def pace(self) -> UpstreamTiming:
        """Return how often to fetch and push."""
        gap_s = _seconds(self.gap)
        return UpstreamTiming(
            _seconds(self.poll), gap_s=gap_s, quiet_s=min(UpstreamTiming.quiet_s, gap_s)
        )

    def open(self, hub: Hub) -> Upstream | None:
        """Open the upstream of a hub; None if it follows none."""
        url = hub.upstream
        if not url:
            return None
        return Upstream(hub.repository, url, self.credentials, _seconds(self.timeout))


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


#: Also an option of commands that make a clone.
CREDENTIALS = click.option(
    "--credentials", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="ZEDOPS_CREDENTIALS", metavar="FILE",
    help="A file of mode 0600 with a token for the remote. Default: git's own credentials.",
)

_OPTIONS = [
    click.option("--upstream", metavar="URL", help="The git remote where the fleet lives."),
    click.option(
        "--hub", type=click.Path(path_type=Path), metavar="DIR",
        help="Where the manager keeps its copy of the fleet. Default: hubs/ where worlds are.",
    ),
    CREDENTIALS,
    click.option("--poll", default="30s", show_default=True,
                 help="How often to fetch from the upstream."),
    click.option(
        "--push-gap", "gap", default="10s", show_default=True,
        help="The least time between two pushes to the upstream.",
    ),
    click.option(
        "--upstream-timeout", "timeout", default="60s", show_default=True,
        help="How long the upstream may take; the first fetch of a large fleet needs more.",
    ),
    click.option(
        "--webhook", metavar="[ADDRESS:]PORT",
        help="Listen for a forge's notices of pushes. Default address: 127.0.0.1.",
    ),
    click.option(
        "--webhook-secret", type=click.Path(path_type=Path, exists=True, dir_okay=False),
        envvar="ZEDOPS_WEBHOOK_SECRET", metavar="FILE",
        help="A file of mode 0600 with the secret that the forge signs with.",
    ),
    click.option(
        "--status-api", envvar="ZEDOPS_STATUS_API", metavar="URL",
        help="Where to set commit statuses: https://git.example/api/v1. Known: GitHub, "
             "GitLab, Codeberg.",
    ),
]  # fmt: skip


def remote_options(command: F) -> F:
    """Give a command the options of `Remote`, as one argument `remote`."""

    @functools.wraps(command)
    def gathered(
        *args: Any, upstream: str | None, hub: Path | None, credentials: Path | None, poll: str,
        gap: str, timeout: str, webhook: str | None, webhook_secret: Path | None,
        status_api: str | None, **kwargs: Any,
    ) -> Any:
        remote = Remote(
            upstream, hub, credentials, poll, gap, timeout, webhook, webhook_secret, status_api
        )
        return command(*args, remote=remote, **kwargs)

    made: Any = gathered
    for option in reversed(_OPTIONS):
        made = option(made)
    return made  # type: ignore[no-any-return]


def use(file: Path | None, url: str) -> list[tuple[str, str]]:
    """Make git read a token from a file, in this process; return settings to keep in a clone."""
    if file is None or urlsplit(url).scheme not in ("http", "https"):
        return []
    settings = helper(file, url)
    for_this_process(settings)
    return settings


def find_fleet(path: Path, remote: Remote) -> Hub:
    """Find the hub behind a path, or make the one that follows an upstream.

    The path is a hub or a clone. If the clone's origin is no hub here, the hub follows that origin.
    """
    if remote.upstream:
        hub = Hub(path) if Hub.is_hub(path) and not remote.hub else None
        return _follow(checked_url(remote.upstream), hub, remote)
    if Hub.is_hub(path):
        return _ready(Hub(path), remote)
    clone = Clone.find(path)
    origin = clone.origin.path()
    if origin is not None and Hub.is_hub(origin):
        return _ready(Hub(origin), remote)
    if said := checkout.lost(clone.repository):
        raise UsageError(said)
    place = remote.hub or clone.origin.hub_path()
    hub = Hub(place) if place and Hub.is_hub(place) else None
    hub = _follow(checked_url(clone.origin.url), hub, remote)
    clone.origin.name_hub(hub)
    return hub


def _follow(url: str, hub: Hub | None, remote: Remote) -> Hub:
    """Open or make the hub that follows a URL."""
    name = snapshot.name_from(Path(url))
    place = remote.hub or default_hub(url, name)
    if hub is None and Hub.is_hub(place):
        hub = Hub(place)
    if hub is None:
        place.parent.mkdir(parents=True, exist_ok=True)
        hub = Hub.create(place)
    known = hub.configuration.recall(UPSTREAM)
    if known not in (None, url):
        remedy = f"choose another --hub, or: git -C {hub.path} config {UPSTREAM} {url}"
        raise UsageError(f"{hub.path} follows {known}; {remedy}")
    hub.configuration.remember(UPSTREAM, url)
    return _ready(hub, remote)


def _ready(hub: Hub, remote: Remote) -> Hub:
    """Fetch the first commits of a hub that follows an upstream; the mirror fetches later ones."""
    upstream = remote.open(hub)
    if upstream is None:
        for option in ("credentials", "webhook"):
            if getattr(remote, option):
                fact = f"--{option} is for a fleet with an upstream"
                raise UsageError(f"{fact}; name it with --upstream, or leave this out")
        return hub
    upstream.secret()  # raises now if the file is wrong
    if hub.head() is None:
        _begin(hub, upstream)
    else:
        _require_current(hub, remote)
    return hub


def _require_current(hub: Hub, remote: Remote) -> None:
    """Refuse to begin with a hub that is older than its upstream: it would undo what came since.

    An upstream that does not answer soon says nothing here: the mirror compares again.
    """
    upstream = replace(remote, timeout=min(remote.timeout, _SOON, key=_seconds)).open(hub)
    if upstream is None:
        return
    try:
        branch = hub.read_fleet(hub.head() or "")[0].settings.state_branch or MAIN
        tips = upstream.tips({branch})
        if branch in tips and tips[branch] != hub.head():
            older.require_current(hub, upstream.fetch(branch))
    except HubOutdated:
        raise
    except GitFailed:
        return


def _begin(hub: Hub, upstream: Upstream) -> None:
    if MAIN not in upstream.tips({MAIN}):
        remedy = f"begin a fleet there with `zedops init DIRECTORY --upstream {upstream.where}`"
        raise UsageError(f"{upstream.where} has no branch main; {remedy}")
    main = upstream.fetch(MAIN)
    entry = hub.repository.tree(main, SETTINGS_PATH).get(SETTINGS_PATH)
    content = hub.repository.objects.blobs([entry.blob])[entry.blob] if entry else b""
    branch = read_settings(content, hub.default_name)[0].state_branch
    if branch and branch in upstream.tips({branch}):
        # the branch of an earlier hub: main with states and ids
        UpstreamMerger(hub).take(upstream.fetch(branch), TAKEN + branch, BranchContent.STATES)
    else:
        UpstreamMerger(hub).take(main, TAKEN + MAIN)


@contextlib.contextmanager
def mirrored(manager: Manager, remote: Remote) -> Iterator[Mirror | None]:
    """Make the mirror between a hub and its upstream, if it has one, and open the webhook."""
    upstream = remote.open(manager.hub)
    if upstream is None:
        yield None
        return
    manager.judge = Judge(manager.hub)
    secret = upstream.secret()
    statuses = commit_status.find(upstream.url, secret.token if secret else None, remote.status_api)
    mirror = Mirror(manager, upstream, remote.pace(), statuses)
    with contextlib.ExitStack() as stack:
        if remote.webhook:
            hook = _webhook(remote, mirror)
            stack.callback(hook.close)
            click.echo("webhook at http://{}:{}/".format(*hook.address))
        yield mirror


def _webhook(remote: Remote, mirror: Mirror) -> Webhook:
    if remote.webhook_secret is None:
        raise UsageError("--webhook needs --webhook-secret FILE: zedops accepts signed calls only")
    if remote.webhook_secret.stat().st_mode & 0o077:
        file = remote.webhook_secret  # an upgrade must not keep a manager from starting
        click.echo(f"warning: {file} can be read by other users; chmod 600 {file}", err=True)
    secret = remote.webhook_secret.read_bytes().strip()
    if not secret:
        raise UsageError(f"{remote.webhook_secret} is empty; put a long random text there")
    place = remote.webhook or ""
    try:
        parts = urlsplit(f"http://{place if ':' in place else f'127.0.0.1:{place}'}")
        return Webhook((parts.hostname or "127.0.0.1", int(parts.port or 0)), secret, mirror.wake)
    except ValueError as error:
        raise UsageError(f"--webhook {place}: {error}; write e.g. 127.0.0.1:8123") from error
    except OSError as error:
        remedy = "choose another address or port"
        raise ZedopsError(f"--webhook {place}: {error.strerror}; {remedy}") from error
