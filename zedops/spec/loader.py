"""Strict YAML: parses text into plain data, with the place of every key and all problems.

YAML 1.1, as in PyYAML, reads `on` as true, `22:22` as 1342 and `0755` as 493, and accepts duplicate
keys. This module reads only `true`/`false`, `null`/`~`, decimal numbers and text, as in YAML 1.2's
core schema; a duplicate key is an error. Never raises on bad input.
"""

from __future__ import annotations

import functools
import re
import sys
from typing import Any

import yaml

from zedops.errors import Problem
from zedops.spec.layout import MAX_BYTES
from zedops.spec.places import Path, Source, dotted

#: Most nodes with aliases expanded: a definition has about 50, "billion laughs" has 10^9.
MAX_NODES = 20_000
#: Most characters with aliases expanded: the manager sends the expanded text to the host.
MAX_CHARACTERS = 2 * MAX_BYTES
MAX_DEPTH = 30

#: Below these keys scalars are text exactly as written: `EULA: TRUE`, `UMASK: 022`, `[echo, 1]`.
_VERBATIM = {("env",), ("labels",), ("command",), ("health", "test"), ("stop", "commands")}

#: The start of a line, as far as a collection may begin in it; these characters end a line.
_LEADS = re.compile("(?:^|[\r\n\x85\u2028\u2029])([ \t?:-]*)")
_TAG = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ, _MERGE = _TAG + "str", _TAG + "map", _TAG + "seq", _TAG + "merge"
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}(?:[eE][-+]?[0-9]{1,2})?")
_SCALAR_TAGS = {"str", "int", "float", "bool", "null", "timestamp", "value", "merge"}


class _Loader(yaml.CSafeLoader):
    """libyaml's loader with a cache of resolved words: thousands of files share them."""

    resolve = staticmethod(functools.lru_cache(maxsize=500)(yaml.resolver.Resolver().resolve))


def read(path: str, content: bytes) -> Source:
    """Read one YAML document from a file's bytes."""
    if len(content) > MAX_BYTES:
        fact = f"{len(content)} bytes, more than the {MAX_BYTES} that it may have"
        return Source(path, problems=[Problem(path, 0, 0, "", fact, "shorten it")])
    try:
        return load(path, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(path, line, 1, "", "not UTF-8 text", "save it as UTF-8")
        return Source(path, problems=[problem])


def load(path: str, text: str) -> Source:
    """Read one YAML document."""
    source = Source(path)
    try:
        if not _is_plain(text) and (problem := _first_excess(path, text)):
            source.problems.append(problem)
            return source
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        source.problems.append(_syntax(path, error))
        return source
    except UnicodeEncodeError:
        source.problems.append(Problem(path, 1, 1, "", "not valid Unicode", "save it as UTF-8"))
        return source
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1  # libyaml counts in bytes
        fact = f"holds a character that YAML does not allow (U+{error.character:04X})"
        source.problems.append(Problem(path, line, 1, "", fact, "remove it"))
        return source
    if node is None:
        source.data = {}
        return source
    source.flow = getattr(node, "flow_style", False) is True
    source.places[()] = node, node
    source.data = _Builder(source).build(node, ())
    if source.data is None and not source.problems:
        source.data = {}  # a lone `~`, `null` or anchor counts as an empty file
    return source


def _is_plain(text: str) -> bool:
    """Say whether the characters alone prove one document that is not too deep.

    A block collection begins further right than the one around it, except a list below a mapping's
    key, which may begin in the key's column. A flow collection has a bracket. Most texts pass, so
    most texts are parsed only once.
    """
    if "---" in text or "..." in text:
        return False
    columns = max(map(len, _LEADS.findall(text)), default=0) + 1
    return 2 * columns + text.count("[") + text.count("{") <= MAX_DEPTH


def _first_excess(path: str, text: str) -> Problem | None:
    """Find excess depth or a second document in the events, which need no recursion."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        mark = event.start_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return _too_deep(path, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                return Problem(path, *place, "", "a second YAML document", "one server per file")
        elif isinstance(event, yaml.DocumentEndEvent) and event.explicit:
            return Problem(path, *place, "", "the end marker '...'", "remove the line")
    return None


def _too_deep(path: str, place: tuple[int, int]) -> Problem:
    return Problem(path, *place, "", f"nested deeper than {MAX_DEPTH} levels", "flatten it")


def _syntax(path: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    said = " ".join(part for part in (error.problem, error.context) if part)
    if "nesting depth" in said:  # libyaml reads ahead, and has its own limit
        return _too_deep(path, (line, column))
    fact = f"not valid YAML: {said or 'cannot be read'}"
    return Problem(path, line, column, "", fact, "check indentation, quotes and colons here")


class _Builder:
    """Builds data from one node tree; collects places and problems."""

    def __init__(self, source: Source) -> None:
        self._source, self._places = source, source.places
        self._nodes = self._characters = 0
        self._is_full = self._is_deep = False
        self._open: set[int] = set()

    def build(self, node: yaml.Node, path: Path) -> Any:
        if self._is_too_much(node, path):
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._complain(node, path, "refers to itself", "remove the alias")
            return None
        if len(self._open) >= MAX_DEPTH:
            if not self._is_deep:
                fact = f"nested deeper than {MAX_DEPTH} levels through its anchors"
                self._complain(node, path, fact, "flatten it")
            self._is_deep = True
            return None
        self._open.add(id(node))
        try:
            return self._collection(node, path)
        finally:
            self._open.discard(id(node))

    def _is_too_much(self, node: yaml.Node, path: Path) -> bool:
        """Count one more value or problem; True if there are too many: anchors multiply both."""
        self._nodes += 1
        if self._nodes < MAX_NODES and self._characters <= MAX_CHARACTERS:
            return False
        if not self._is_full:
            self._is_full = True
            most = f"{MAX_NODES} values or {MAX_CHARACTERS} characters"
            self._complain(node, path, f"grows beyond {most} through its anchors", "use fewer")
        return True

    def _collection(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            result = []
            for index, item in enumerate(node.value):
                inner = (*path, index)
                self._places.setdefault(inner, (item, item))
                result.append(self.build(item, inner))
            return result
        return self._unknown(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merges = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merges.append(value_node)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                if not self._is_too_much(key_node, path):
                    self._complain(key_node, path, "a key that is not text", "write `key: value`")
                continue
            key = sys.intern(key_node.value)  # thousands of files share them
            inner = (*path, key)
            if key in result:
                if not self._is_too_much(key_node, inner):
                    fact = f"written twice, first in line {self._source.mark(inner).line}"
                    self._complain(key_node, inner, fact, "keep one")
                continue
            self._places.setdefault(inner, (key_node, value_node))
            result[key] = self.build(value_node, inner)
        if not merges:
            return result
        inherited: dict[str, Any] = {}
        for each in merges:  # last, so that a key written here has its place here
            inherited |= self._merged(each, path)
        return {**inherited, **result}

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for each in nodes:
            value = self.build(each, path)
            if isinstance(value, dict):
                merged = {**value, **merged}
            else:
                fact = "'<<' merges something that is no mapping"
                self._complain(each, path, fact, "merge a mapping")
        return merged

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        self._characters += len(node.value)
        text = sys.intern(node.value)  # image, paths, the same words in thousands of files
        if node.tag == _STR:
            return text
        tag = node.tag.removeprefix(_TAG)
        if tag == "null":
            return None
        if tag not in _SCALAR_TAGS:
            return self._unknown(node, path)
        if node.style in ("'", '"', "|", ">") or _is_verbatim(path):
            return text
        if tag == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if tag == "int" and _INT.fullmatch(text):
            return int(text)
        if tag == "float" and _FLOAT.fullmatch(text):
            return float(text)
        return text

    def _unknown(self, node: yaml.Node, path: Path) -> None:
        self._complain(node, path, f"the tag {node.tag!r} is not supported", "write plain YAML")

    def _complain(self, node: yaml.Node, path: Path, fact: str, remedy: str) -> None:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        problem = Problem(self._source.path, line, column, dotted(path), fact, remedy)
        self._source.problems.append(problem)


def _is_verbatim(path: Path) -> bool:
    below = path[1:] if path[:1] == ("defaults",) else path
    return below not in _VERBATIM and (below[:1] in _VERBATIM or below[:2] in _VERBATIM)
