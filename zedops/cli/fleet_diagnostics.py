"""The checks of `zedops doctor` for a fleet: git, the clone, the hub, its manager, the hosts."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from zedops import __version__
from zedops.clone import checkout
from zedops.clone.clone import Clone
from zedops.control.hosts import call
from zedops.errors import GitFailed, ZedopsError
from zedops.fleet import backups
from zedops.fleet.fleet import Fleet
from zedops.fleet.ports import published
from zedops.git.stderr import MEND
from zedops.hub import hook
from zedops.hub.hub import Hub
from zedops.hub.refs import FOR_MAIN
from zedops.protocol.findings import Finding
from zedops.protocol.requests import PortsReply, PortsRequest
from zedops.spec.quantities import format_duration
from zedops.spec.settings import Settings
from zedops.spec.state import Status
from zedops.system import files
from zedops.system.locks import holder

#: git 2.29 brought proc-receive hooks, and 2.36 brought `core.fsync`.
_OLDEST_GIT, _SAFE_GIT = (2, 29), (2, 36)
#: A small difference of clocks makes histories hard to read; a large one breaks keys and
#: certificates.
_SKEW_S, _BAD_SKEW_S = 5.0, 300.0
#: A git that runs holds a ref's lock for milliseconds.
_STALE_S = 60.0


def check_git() -> Iterator[Finding]:
    """Check that git is installed and new enough."""
    program = shutil.which("git")
    if program is None:
        yield Finding.wrong("git", "is not on PATH", "install it: apt-get install git")
        return
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    numbers = re.search(r"(\d+)\.(\d+)", said)
    version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    text = said.strip().removeprefix("git version ")
    if version < _OLDEST_GIT:
        fact = f"{text} has no proc-receive hooks: every push to a hub here fails"
        yield Finding.wrong("git", fact, "upgrade to 2.36 or newer")
    elif version < _SAFE_GIT:
        fact = f"{text} does not sync its writes: a power cut may cost commits"
        yield Finding.warning("git", fact, "upgrade to 2.36 or newer")
    else:
        yield Finding.good("git", text)


def check_clone(clone: Clone) -> Iterator[Finding]:
    """Check that a person can push from this clone."""
    run = clone.repository.run
    try:
        run("var", "GIT_AUTHOR_IDENT")
        yield Finding.good("clone", str(clone.root))
    except GitFailed:
        remedy = "`git config --global user.name NAME` and `… user.email ADDRESS`"
        yield Finding.wrong("clone", "git does not know who you are", remedy)
    try:
        run("ls-remote", "--exit-code", "origin", "refs/heads/main")
    except GitFailed as error:
        remedy = "check the address in `git remote -v`, and its key or password"
        fact = f"cannot be read: {error}"
        if said := checkout.lost(clone.repository):
            fact, _, remedy = said.partition("; ")
        yield Finding.wrong("remote", fact, remedy)
        return
    try:
        to = run("config", "--get", "remote.origin.push")
    except GitFailed:
        to = ""
    if FOR_MAIN not in to and clone.origin.is_hub():
        remedy = f"git config remote.origin.push HEAD:{FOR_MAIN}"
        fact = "a plain `git push` is refused whenever zedops has committed before it"
        yield Finding.warning("clone", fact, remedy)


def check_hub(hub: Hub) -> Iterator[Finding]:
    """Check a hub's configuration, hooks, permissions, locks and objects."""
    remedy = "start `zedops up` or `zedops manager`, which sets it"
    if wrong := hub.configuration.unset():
        yield Finding.wrong("hub", f"its configuration lacks {', '.join(wrong)}", remedy)
    hooks = [name for name in hook.NAMES if not os.access(hub.path / "hooks" / name, os.X_OK)]
    if hooks:
        fact = f"{', '.join(hooks)} cannot be run: pushes are unchecked"
        yield Finding.wrong("hooks", fact, remedy)
    else:
        yield _hooks(hub, remedy)
    if not os.access(hub.path, os.W_OK):
        fact = f"{hub.path} is not writable for this user"
        yield Finding.wrong("hub", fact, "run it as its owner")
    now = datetime.now(UTC).timestamp()
    for lock in (hub.path / "refs").rglob("*.lock"):
        if now - lock.stat().st_mtime > _STALE_S:
            fact = f"{lock.name} was left behind: nothing can be pushed"
            remedy_now = f"if no git runs: rm {lock}; a manager does that when it starts"
            yield Finding.wrong("hub", fact, remedy_now)
    if not wrong:
        yield Finding.good("hub", str(hub.path))
    yield _objects(hub)


def _objects(hub: Hub) -> Finding:
    """Check that no object of the hub is missing or damaged.

    git reads the folders one after the other, so it may meet a new object before the objects that
    this one refers to. It finds a real loss in every try.
    """
    said = ""
    for _ in range(3):
        try:
            hub.repository.run("fsck", "--no-dangling", "--no-progress")
        except GitFailed as error:
            said = str(error)
        else:
            return Finding.good("objects", "all are there and whole")
    return Finding.wrong("objects", f"the hub is damaged: {said}", MEND)


def _hooks(hub: Hub, remedy: str) -> Finding:
    path = hub.path / "hooks" / hook.NAMES[0]
    try:
        text = files.read(path).decode("utf-8", "replace")
    except OSError as error:
        return Finding.wrong("hooks", f"cannot read {path}: {error.strerror}", remedy)
    # a name without odd characters has no quotes (`shlex.quote`); redirections are no program
    interpreter = re.search(r"^\s*exec (?:'([^']+)'|(/\S+))", text, re.MULTILINE)
    program = (interpreter[1] or interpreter[2]) if interpreter else ""
    if not os.access(program, os.X_OK):
        named = program or "no interpreter"
        return Finding.wrong("hooks", f"they run {named}, which is not there", remedy)
    if f"# zedops {__version__}\n" not in text:
        fact = f"they are of another release than this one, {__version__}"
        return Finding.warning("hooks", fact, "restart the manager, which renews them")
    return Finding.good("hooks", f"of release {__version__}")


def say_managed(hub: Hub, *, managed: bool, awake: bool) -> Finding:
    """Report whether a manager answers and, if none runs, whether pushes wait for one."""
    if managed and not awake:
        fact = f"runs{holder(hub.runtime / 'lock')} and does not answer; the hosts were not asked"
        return Finding.wrong("manager", fact, "end it and start it again if it stays so")
    if managed:
        return Finding.good("manager", "answers")
    seen, head = hub.refs.seen(), hub.head()
    waits = "; newer pushes wait for one" if head != seen else ""
    remedy = "start `zedops up` or `zedops manager`"
    return Finding.wrong("manager", f"none runs on {hub.path}{waits}", remedy)


def check_notify(settings: Settings) -> Iterator[Finding]:
    """Check that Apprise is installed here; the manager alone knows its own environment."""
    if settings.notify and importlib.util.find_spec("apprise") is None:
        fact = "zedops.yaml asks for messages; Apprise is missing"
        yield Finding.wrong("notify", fact, "pip install 'zedops[notify]'")


def check_own_nats(hub: Hub) -> Iterator[Finding]:
    """Connect to the NATS server that a hub's manager runs for other machines, if it runs one."""
    folder = hub.runtime / "nats"
    try:
        config = files.read(folder / "server.conf").decode("utf-8", "replace")
        ca = files.read(folder / "ca-private.pem").decode("utf-8", "replace")
    except FileNotFoundError:
        return
    except OSError as error:
        remedy = "run `zedops doctor` as the hub's owner"
        yield Finding.unknown("NATS", f"{folder}: {error.strerror}", remedy)
        return
    port = re.search(r"^port: (\d+)$", config, re.MULTILINE)
    if port is not None:
        from zedops_agent.diagnostics import check_nats

        yield check_nats(f"tls://localhost:{port[1]}", ca, tls_first=True)


def check_clock(at: datetime) -> Finding:
    """Compare a host's clock, which it read just now, with this machine's."""
    skew_s = (at - datetime.now(UTC)).total_seconds()
    apart = f"{format_duration(abs(skew_s))} {'ahead of' if skew_s > 0 else 'behind'} this one"
    remedy = "set the time automatically on both: `timedatectl set-ntp true`"
    if abs(skew_s) > _BAD_SKEW_S:
        return Finding.wrong("clock", apart, remedy)
    if abs(skew_s) > _SKEW_S:
        return Finding.warning("clock", apart, remedy)
    return Finding.good("clock", "agrees with this one")


def check_ports(asker: Clone | Path, fleet: Fleet, host: str) -> Iterator[Finding]:
    """Check that no other program holds a host port of the fleet's servers."""
    try:
        uses = call(asker, host, PortsRequest(), PortsReply).uses
    except ZedopsError as error:
        yield Finding.unknown("ports", str(error))
        return
    held = {(each.protocol, each.port): each for each in uses if each.active}
    count = 0
    for each in fleet.servers():
        if fleet.host_of(each) != host:
            continue
        for key, port in published(fleet, each):
            count += 1
            use = held.get((port.protocol, port.host))
            if use is not None and use.server_id != each.id:
                fact = f"{port.host}/{port.protocol} of {each.name} ({key}) is held by {use.holder}"
                remedy = f"stop that, or see `zedops ports --for {each.name}`"
                yield Finding.wrong("ports", fact, remedy)
    yield Finding.good("ports", f"{count} checked")


def check_servers(fleet: Fleet, host: str) -> Iterator[Finding]:
    """Report the failed servers of a host."""
    for each in fleet.servers():
        if fleet.host_of(each) != host or each.state is None:
            continue
        if each.state.status is Status.FAILED:
            fact = f"{each.name} is failed: {each.state.message}"
            yield Finding.warning("server", fact, f"`zedops history {each.name}` says since when")
        for find in (backups.overdue, backups.unproven):
            if said := find(fleet, each, datetime.now(UTC)):
                yield Finding.warning("backup", said, f"`zedops show {each.name}` may say why")
