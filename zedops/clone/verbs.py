"""The acts of people on servers, as changed files: what the commands and the web page both push.

An act is a commit's files and message. It holds the edit alone; what follows from it is for the hub
and the hosts to say (`plan`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from zedops.errors import UsageError, ZedopsError
from zedops.spec import edit, loader, state_block
from zedops.spec.document import Document
from zedops.spec.edit import set_field
from zedops.spec.layout import NAME, SERVERS, SETTINGS_PATH, tombstone_path
from zedops.spec.places import Source
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status

#: Verbs that set one key: the key, and its value; None stands for the present time.
VERBS: Mapping[str, tuple[str, str | None]] = {
    "start": ("desired", "running"),
    "stop": ("desired", "stopped"),
    "restart": ("restart", None),
    "rebuild": ("rebuild", None),
    "retry": ("restart", None),
}


@dataclass(frozen=True)
class Act:
    """The files of one commit by path (None: no file), its subject, and its push options."""

    message: str
    files: Mapping[str, bytes | None]
    options: tuple[str, ...] = ()


def wished(verb: str, now: datetime) -> tuple[str, str]:
    """Give the key that a verb sets, and its value."""
    key, value = VERBS[verb]
    return key, value or f"{now:%Y-%m-%dT%H:%M:%SZ}"


def change(each: Document, verb: str, now: datetime) -> Act | None:
    """Set a verb's key; None where the definition says so already.

    ZedopsError for a definition that cannot be read.
    """
    if each.definition is None:
        raise ZedopsError("\n".join(str(problem) for problem in each.problems))
    key, value = wished(verb, now)
    if str(getattr(each.definition, key)) == value:
        return None
    content = state_block.render(set_field(each, key, value), each.state)
    return Act(f"{each.name}: {verb}", {each.path: content})


def is_well(state: State | None) -> bool:
    """Say whether a server has nothing to retry."""
    if state is None or state.status not in (Status.RUNNING, Status.STOPPED):
        return False
    return state.message is None or state.message.startswith("recovered: ")


def delete(each: Document) -> Act:
    """Remove a server's file; its container goes and its data stays."""
    return Act(f"{each.name}: delete", {each.path: None}, (f"allow-delete={each.name}",))


def restore(grave: Document, place: str) -> Act:
    """Bring a deleted server back to the path that it had."""
    content = state_block.render(grave.head, grave.state)
    return Act(f"{grave.name}: restore", {grave.path: None, place: content})


def forget(grave: Document) -> Act:
    """Let go of a deleted server; its data stays on its host."""
    if grave.state is None or grave.state.status is not Status.DELETED:
        fact, remedy = "is not deleted yet", f"`zedops delete {grave.name}` comes first"
        raise ZedopsError(f"{grave.name} {fact}; {remedy}")
    return Act(f"{grave.name}: purge", {grave.path: None})


def purge_data(each: Document) -> Act:
    """Ask for the purge in the tombstone; the same commit deletes a server that still lives."""
    grave = tombstone_path(each.name)
    files: dict[str, bytes | None] = {each.path: None} if each.path != grave else {}
    files[grave] = state_block.render(set_field(each, "purge", "data"), each.state)
    return Act(f"{each.name}: purge with its data", files, (f"allow-delete={each.name}",))


def rewrite(each: Document, head: str) -> Act:
    """Replace a definition's text; its state stays. UsageError if the text holds a state, too."""
    if not each.is_read:
        raise UsageError(f"{each.path} is no text that can be edited; edit it in a clone")
    return Act(f"{each.name}: edit", {each.path: state_block.render(_lines(head), each.state)})


def create(texts: Mapping[str, str], verb: str = "new") -> Act:
    """Add servers by name with their definitions. UsageError for a name that none can have."""
    for name in texts:
        if not NAME.fullmatch(name):
            rule = "lower-case letters, digits and '-', at most 63, no '-' first"
            raise UsageError(f"{name!r} cannot be a server's name; use {rule}")
    files = {f"{SERVERS}/{name}.yaml": state_block.render(_lines(text), None)
             for name, text in texts.items()}
    return Act(f"{', '.join(texts)}: {verb}", files)


def _lines(head: str) -> str:
    """End each line of a definition as files of a fleet do."""
    text = head.replace("\r\n", "\n")
    line = state_block.split(text)[2]
    if line:
        fact = f"line {line}: the state below a definition is written by zedops"
        raise UsageError(f"{fact}; remove everything from that line on")
    return text if text.endswith("\n") else f"{text}\n"


def together(verb: str, acts: Iterable[Act]) -> Act:
    """Join acts on several servers in one commit."""
    made = list(acts)
    if not made:
        raise UsageError("nothing changes")
    if len(made) == 1:
        return made[0]
    files = {path: each for act in made for path, each in act.files.items()}
    options = tuple(option for act in made for option in act.options)
    names = [act.message.partition(":")[0] for act in made]
    shown = ", ".join(names) if len(names) <= 5 else f"{len(names)} servers"
    subject = f"{shown}: {verb}"
    return Act(subject if len(names) <= 5 else f"{subject}\n\n{', '.join(names)}", files, options)


def check_host(name: str) -> None:
    """Raise UsageError for a text that cannot be a host's name."""
    if not NAME.fullmatch(name) or name == "all":
        rule = "lower-case letters, digits and '-', at most 63, no '-' first, and not 'all'"
        raise UsageError(f"{name!r} cannot be a host's name; use {rule}")


def name_host(content: bytes, settings: Settings, name: str) -> Act:
    """Name a host in `zedops.yaml`, whose text is given."""
    text = content.decode("utf-8-sig")
    if len(settings.hosts) == 1 and "host" not in settings.defaults:
        # servers that name no host stay where they are
        text = edit.add_key(_read(text), text, "defaults", "host", settings.hosts[0])
    item = name if "hosts" in (_read(text).data or {}) else ", ".join((*settings.hosts, name))
    text = edit.add_item(_read(text), text, "hosts", item)
    return Act(f"Add host {name}", {SETTINGS_PATH: text.encode()})


def unname_host(content: bytes, name: str) -> Act:
    """Take a host out of `zedops.yaml`."""
    text = content.decode("utf-8-sig")
    text = edit.remove_item(_read(text), text, "hosts", name)
    return Act(f"Remove host {name}", {SETTINGS_PATH: text.encode()})


def _read(text: str) -> Source:
    return loader.load(SETTINGS_PATH, text)
