"""Which servers an act is for: names, folders, all, by host and by label. Pure.

Names are exact: a name that is not there, or that a filter excludes, is an error and nothing
changes. Folders and `--all` take what is there, and hosts and labels narrow that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from zedops.errors import UsageError
from zedops.fleet.fleet import Fleet
from zedops.spec.document import Document
from zedops.spec.layout import SERVERS

_HOW = "name servers or a folder (attic/), or say --all, --host or --label"


@dataclass(frozen=True)
class Candidate:
    """One server that an act may be for."""

    document: Document
    folder: str  #: below `servers.d/`; empty at the top
    host: str | None
    labels: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name the server."""
        return self.document.name


@dataclass(frozen=True)
class Wish:
    """What a person asks for."""

    names: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    every: bool = False
    hosts: tuple[str, ...] = ()  #: any of them
    labels: tuple[str, ...] = ()  #: all of them: `key` or `key=value`

    @property
    def one(self) -> str:
        """Name the only server; empty if there may be others."""
        is_one = len(self.names) == 1 and not (self.folders or self.hosts or self.labels)
        return self.names[0] if is_one else ""

    @property
    def takes_what_is_there(self) -> bool:
        """Say whether more than the named servers are chosen."""
        return bool(self.folders) or not self.names

    def __str__(self) -> str:
        said = [*self.names, *(f"{each or SERVERS}/" for each in self.folders)]
        said += ["--all"] if self.every else []
        said += [f"--host {each}" for each in self.hosts]
        return " ".join([*said, *(f"--label {each}" for each in self.labels)])


def wish(
    words: Sequence[str], *, every: bool = False, hosts: Iterable[str] = (),
    labels: Iterable[str] = (),
) -> Wish:
    """Read the words of a command: `rosewood`, `servers.d/rosewood.yaml`, `attic/`. UsageError."""
    names, folders = [], []
    for word in dict.fromkeys(words):
        path = PurePosixPath(word.removeprefix("./"))
        if "/" not in word:
            names.append(word)
        elif path.suffix == ".yaml":
            names.append(path.stem)
        else:
            folders.append(str(path).removeprefix(SERVERS).strip("/").removeprefix("."))
    made = Wish(tuple(dict.fromkeys(names)), tuple(folders), every, tuple(hosts), tuple(labels))
    if every and (names or folders):
        raise UsageError(f"--all leaves nothing for {' '.join(words)} to add; say one of the two")
    if not (every or names or folders or made.hosts or made.labels):
        raise UsageError(f"no server named; {_HOW}")
    return made


def candidates(
    fleet: Fleet, documents: Iterable[Document],
    folder_of: Callable[[Document], str] = lambda each: folder(each.path),
) -> list[Candidate]:
    """Describe servers as candidates."""
    made = []
    for each in documents:
        definition = fleet.resolve(each)[0] or each.definition
        host = fleet.host_of(each) or (each.state.host if each.state else None)
        labels = definition.labels if definition else {}
        made.append(Candidate(each, folder_of(each), host, labels))
    return made


def select(
    named: Iterable[Candidate], others: Iterable[Candidate], wanted: Wish,
    unknown: Callable[[str], str],
) -> list[Document]:
    """Choose by name from `named`, and by folder, host and label from `others`.

    UsageError says what was looked for and not found; `unknown` words that of a name.
    """
    by_name: dict[str, Candidate] = {}
    for each in named:
        by_name.setdefault(each.name, each)
    found, wrong = [], []
    for name in wanted.names:
        if name not in by_name:
            wrong.append(unknown(name))
        elif not _fits(by_name[name], wanted):
            filters = Wish(hosts=wanted.hosts, labels=wanted.labels)
            wrong.append(f"{name} does not fit {filters}; leave out the one or the other")
        else:
            found.append(by_name[name].document)
    pool = [each for each in others if _fits(each, wanted)]
    for where in wanted.folders:
        inside = [each.document for each in pool if is_in(each.folder, where)]
        if not inside:
            said = Wish(folders=(where,), hosts=wanted.hosts, labels=wanted.labels)
            wrong.append(f"no server fits {said}; `zedops list --all` lists all")
        found += inside
    if not wanted.names and not wanted.folders:
        found = [each.document for each in pool]
        if not found:
            wrong.append(f"no server fits {wanted}; `zedops list --all` lists all")
    if wrong:
        raise UsageError("\n".join(wrong))
    return list({each.path: each for each in found}.values())


def _fits(each: Candidate, wanted: Wish) -> bool:
    on_host = not wanted.hosts or each.host in wanted.hosts
    return on_host and all(has_label(each.labels, one) for one in wanted.labels)


def folder(path: str) -> str:
    """Name the folder of a server's file, below `servers.d/`."""
    return PurePosixPath(path).parent.as_posix().removeprefix(SERVERS).strip("/")


def is_in(folder: str, wanted: str) -> bool:
    """Say whether a folder is the wanted one, or below it; every folder is below the empty one."""
    top = wanted.strip("/")
    return not top or f"{folder}/".startswith(f"{top}/")


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Say whether labels hold `key` or `key=value`."""
    key, is_pair, value = wanted.partition("=")
    return key in labels and (not is_pair or labels[key] == value)


def unconfirmed(
    chosen: Iterable[Document], living: Iterable[Document], named: Iterable[str],
    confirmed: Iterable[str],
) -> list[str]:
    """List the names that a purge with data still has to be told, one by one.

    A living server is always named twice: once chosen, once confirmed. A deleted one that was
    chosen by more than its name is confirmed, too.
    """
    alive = {each.path for each in living}
    by_name, told = set(named), set(confirmed)
    asked = [each.name for each in chosen if each.path in alive or each.name not in by_name]
    return [name for name in asked if name not in told]
