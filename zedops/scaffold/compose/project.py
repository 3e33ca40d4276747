"""A compose file and the files it names → complete services. Pure.

Resolves overrides, `include`, `extends`, profiles, variables and relative paths as
`docker compose config` does. A problem of one service does not affect the others.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from zedops.scaffold.compose import merge, scalars
from zedops.scaffold.compose.paths import absolute, absolute_device
from zedops.scaffold.compose.scalars import Override, Reset, as_text, kind
from zedops.scaffold.compose.variables import Lookup, Read, decoded, fill_in, read_env_file

#: Override files that Compose reads beside its usual files (Specification, "Compose file").
_STEMS, _ENDS = ("compose", "docker-compose"), ("yml", "yaml")
_USUAL = {f"{stem}.{end}" for stem in _STEMS for end in _ENDS}
#: In the order in which Compose looks for them; it reads the first one only.
_OVERRIDES = [f"{stem}.override.{end}" for stem in _STEMS for end in _ENDS]
_SECTIONS = ("services", "volumes", "networks", "secrets", "configs")
_KNOWN = {*_SECTIONS, "version", "name", "include", "models"}
_MOST_FILES = 100


@dataclass
class Source:
    """One service as its files define it, with the problems found in them."""

    name: str
    tree: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unset: set[str] = field(default_factory=set)


@dataclass
class Project:
    """A compose file's services, volumes and networks, resolved."""

    name: str
    directory: str
    variables: Mapping[str, str]
    services: dict[str, Source]
    volumes: dict[str, Any]
    networks: dict[str, Any]
    notes: list[str]


class Reader:
    """Reads one project; `environment` is the shell's and takes precedence over `.env`."""

    def __init__(self, read: Read, environment: Mapping[str, str]) -> None:
        self._read, self._environment = read, environment
        self._known: dict[str, list[dict[str, Any]]] = {}
        self._notes: list[str] = []

    def project(self, path: str) -> Project:
        """Read the project of a compose file. ValueError if it has no readable services."""
        directory = posixpath.dirname(path)
        variables = self._variables(directory)
        if files := variables.get("COMPOSE_FILE"):
            self._notes.append(f"COMPOSE_FILE names {files}: zedops reads the file that you name")
        paths = [path, *self._override_of(path)]
        name = self._name(paths, variables) or fit(posixpath.basename(directory))
        variables["COMPOSE_PROJECT_NAME"] = name  # Compose's own files may use it
        found = self._load(paths, directory, variables, ())
        services = found["services"]
        if not services:
            raise ValueError("has no services; name a compose file, or a container")
        return Project(
            name, directory, variables, services, found["volumes"], found["networks"], self._notes,
        )

    def _name(self, paths: list[str], variables: Mapping[str, str]) -> str:
        """Find the project's name: the environment's, else that of the last file with one."""
        said: Any = variables.get("COMPOSE_PROJECT_NAME")
        if not said:
            named = [tree["name"] for path in paths for tree in self._trees(path)
                     if tree.get("name")]
            said = named[-1] if named else ""
        return fit(fill_in(as_text(said), Lookup(variables)))

    def _override_of(self, path: str) -> Iterator[str]:
        directory, name = posixpath.split(path)
        for each in _OVERRIDES if name in _USUAL else ():
            beside = posixpath.join(directory, each)
            if self._read(beside) is not None:
                self._notes.append(f"{each} is read, too, as Compose does")
                yield beside
                return

    def _variables(self, directory: str, *files: str) -> dict[str, str]:
        """Read `.env`, or the files named in its place; the shell's variables take precedence."""
        found: dict[str, str] = {}
        for each in files or (".env",):
            path = posixpath.join(directory, each)
            content = self._read(path)
            if content is None:
                if files:
                    raise ValueError(f"{path} cannot be read")
                continue
            try:
                text = decoded(path, content)
                found |= read_env_file(text, {**found, **self._environment})
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        return {**found, **self._environment}

    def _load(
        self, paths: list[str], directory: str, variables: Mapping[str, str],
        within: tuple[str, ...],
    ) -> dict[str, Any]:
        """Read files, each laid over the earlier ones; services become `Source`."""
        found: dict[str, Any] = {each: {} for each in _SECTIONS}
        for path, tree in ((each, tree) for each in paths for tree in self._trees(each)):
            self._name_unknown(tree)
            self._include(tree.get("include"), directory, variables, (*within, path), found)
            for section in _SECTIONS[1:]:
                said = _filled(_section(tree, section, found), Lookup(variables))
                if section == "volumes":
                    said = {name: absolute_device(each, directory, variables)
                            for name, each in said.items()}
                found[section] = merge.lay(said, found[section], "")
            for name, raw in _section(tree, "services", found).items():
                if isinstance(raw, Reset | Override):
                    found["services"].pop(name, None)
                if isinstance(raw, Reset):
                    continue
                own = raw.value if isinstance(raw, Override) else raw
                over = self._service(name, own, path, directory, variables, ())
                found["services"][name] = _over(over, found["services"].get(name))
        return found

    def _trees(self, path: str) -> list[dict[str, Any]]:
        """Read a file's documents once; each is laid over the earlier ones."""
        if path not in self._known:
            if len(self._known) >= _MOST_FILES:
                raise ValueError(f"it reads more than {_MOST_FILES} files")
            self._known[path] = self._documents(path)
        return self._known[path]

    def _documents(self, path: str) -> list[dict[str, Any]]:
        content = self._read(path)
        if content is None:
            raise ValueError(f"{path} cannot be read")
        text = decoded(path, content)
        try:
            trees = scalars.load_all(text)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if not trees or not all(isinstance(each, dict) for each in trees):
            raise ValueError(f"{path} is no compose file; name one, or a container")
        return trees

    def _name_unknown(self, tree: Mapping[str, Any]) -> None:
        self._notes += [
            f"{key}: is not read by zedops" for key in tree
            if key not in _KNOWN and not key.startswith("x-")
        ]

    def _include(
        self, said: Any, directory: str, variables: Mapping[str, str], within: tuple[str, ...],
        found: dict[str, Any],
    ) -> None:
        """Read included files with their own directory and `.env` (Specification, "Include")."""
        for each in merge.as_list(said):
            long = each if isinstance(each, dict) else {"path": each}
            texts = [fill_in(as_text(one), Lookup(variables))
                     for one in merge.as_list(long.get("path"))]
            long = _filled({key: one for key, one in long.items() if key != "path"},
                           Lookup(variables))
            paths = [posixpath.normpath(posixpath.join(directory, one)) for one in texts]
            if not paths or set(paths) & set(within):
                raise ValueError(f"include: {texts} includes itself, or names no file")
            given = long.get("project_directory")
            there = posixpath.join(directory, as_text(given)) if given else \
                posixpath.dirname(paths[0])
            files = [posixpath.join(directory, as_text(one))
                     for one in merge.as_list(long.get("env_file"))]
            own = {**self._variables(there, *files), **variables}
            inside = self._load(paths, there, own, (*within, *paths))
            for section in _SECTIONS:
                for name, value in inside[section].items():
                    if name in found[section] and section == "services":
                        raise ValueError(f"include: the service {name!r} is defined twice")
                    found[section][name] = value

    def _service(
        self, name: str, raw: Any, path: str, directory: str, variables: Mapping[str, str],
        within: tuple[tuple[str, str], ...],
    ) -> Source:
        """Read one service of one file, laid over the service that it extends."""
        made, lookup = Source(name), Lookup(variables)
        try:
            if not isinstance(raw, dict):
                raise ValueError(f"is {kind(raw)}; write a mapping")
            tree = absolute(_filled(raw, lookup, made.problems), directory, variables)
            base = tree.pop("extends", None)
            made.tree = tree
            if base is not None:
                under = self._extended(base, path, directory, variables, (*within, (path, name)))
                made = _over(made, under)
        except ValueError as error:
            made.problems.append(str(error))
        made.unset |= lookup.unset
        return made

    def _extended(
        self, said: Any, path: str, directory: str, variables: Mapping[str, str],
        within: tuple[tuple[str, str], ...],
    ) -> Source:
        long = said if isinstance(said, dict) else {"service": said}
        name = as_text(long.get("service", ""))
        file = long.get("file")
        place = posixpath.normpath(posixpath.join(directory, as_text(file))) if file else path
        if (place, name) in within:
            raise ValueError(f"extends: {name!r} extends itself")
        trees = self._trees(place)
        raw = next((found[name] for each in reversed(trees)
                    if name in (found := _mapping(each, "services"))), None)
        if raw is None:
            raise ValueError(f"extends: {place} has no service {name!r}")
        folder = posixpath.dirname(place) if file else directory
        return self._service(name, raw, place, folder, variables, within)


def _over(over: Source, under: Source | None) -> Source:
    """Lay a service over the one that it extends, or that of an earlier file."""
    if under is None:
        over.tree = merge.cleaned(over.tree)
        return over
    tree = merge.lay(over.tree, under.tree, "")
    return Source(over.name, tree, under.problems + over.problems, under.unset | over.unset)


def _section(tree: Mapping[str, Any], key: str, found: dict[str, Any]) -> dict[str, Any]:
    """Read a file's section; `!reset` and `!override` drop what earlier files say there."""
    said = tree.get(key)
    if isinstance(said, Reset | Override):
        found[key] = {}
        return _mapping({key: said.value}, key) if isinstance(said, Override) else {}
    return _mapping(tree, key)


def _mapping(tree: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = tree.get(key)
    if value is None or merge.is_null(value):
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{key}: is {kind(value)}; write a mapping")
    return value


def _filled(value: Any, lookup: Lookup, problems: list[str] | None = None) -> Any:
    """Fill variables into every text value; `problems` collects the errors, else ValueError."""
    if isinstance(value, dict):
        return {key: _filled(each, lookup, problems) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, lookup, problems) for each in value]
    if isinstance(value, Override):
        return Override(_filled(value.value, lookup, problems))
    if not isinstance(value, str):
        return value
    try:
        return fill_in(value, lookup)
    except ValueError as error:
        if problems is None:
            raise
        problems.append(str(error))
        return value


def fit(text: str) -> str:
    """Derive a project's name from a directory's (compose-go, `NormalizeProjectName`)."""
    return re.sub(r"[^a-z0-9_-]", "", text.lower()).lstrip("_-")


def chosen(project: Project, services: tuple[str, ...], profiles: tuple[str, ...]) -> list[Source]:
    """Choose services by name; else those without a profile, or with a requested one."""
    if unknown := set(services) - set(project.services):
        names = ", ".join(project.services)
        raise ValueError(f"no service {', '.join(sorted(unknown))}; there are {names}")
    found = []
    for name, each in project.services.items():
        own = {as_text(one) for one in merge.as_list(each.tree.get("profiles"))}
        if services:
            if name in services:
                found.append(each)
        elif not own or own & {*profiles, *_asked(project.variables)} or "*" in profiles:
            found.append(each)
        else:
            project.notes.append(
                f"{name}: left out, as `docker compose up` leaves it out: it is of profile"
                f" {', '.join(sorted(own))} (--profile, or --service {name})"
            )
    return found


def _asked(variables: Mapping[str, str]) -> list[str]:
    return [each for each in variables.get("COMPOSE_PROFILES", "").split(",") if each]
