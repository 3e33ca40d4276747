"""A pasted compose file or `docker run` line → servers to import. Reads no file and no variable of
this machine: the text is all there is.
"""

from __future__ import annotations

import re

from zedops.errors import UsageError
from zedops.scaffold.compose import collect, run_line, services
from zedops.scaffold.compose.project import Project, Reader, Source, chosen
from zedops.scaffold.imported import Found, give_names, of_service, twice, write

#: Stands for a directory that the person did not name; no result may hold it.
_NOWHERE = "/directory-of-the-compose-file"
_COMPOSE = re.compile(r"^services\s*:", re.MULTILINE)
_LINE = re.compile(r"\b(run|create)\b")
MOST_CHARACTERS = 256 * 1024


def read(text: str, directory: str) -> tuple[list[Found], list[str]]:
    """Translate a text; returns its servers, also refused ones, and notes for all of them.

    `directory` is where the compose file is on its host; empty if that is not known. UsageError if
    the text cannot be read.
    """
    where = directory.strip().rstrip("/") or _NOWHERE
    if not where.startswith("/"):
        raise UsageError(f"{directory!r} is no absolute path; write e.g. /srv/minecraft")
    if len(text) > MOST_CHARACTERS:
        raise UsageError(f"{len(text)} characters are no compose file; at most {MOST_CHARACTERS}")
    try:
        project, sources = _sources(text.replace("\r\n", "\n"), where)
    except ValueError as error:
        raise UsageError(_plain(str(error))) from error
    made = [services.translate(each, project, lambda _: None, lambda _: None) for each in sources]
    notes = [_plain(each) for each in (*project.notes, *collect.settle(made))]
    collect.refuse_invalid(made)
    found = [of_service(each) for each in made]
    good = [each for each in found if not each.refused]
    give_names(good)
    for each in found:
        if not each.refused and _NOWHERE[1:] in write(each, None):
            each.refused.append("its volumes depend on the directory of the compose file; name it")
        each.notes = [_plain(one) for one in each.notes]
        each.refused = [_plain(one) for one in each.refused]
    if both := twice(good):
        raise UsageError(f"two services would both be {both!r}; rename one")
    return found, notes


def _sources(text: str, directory: str) -> tuple[Project, list[Source]]:
    if not _COMPOSE.search(text) and _LINE.search(text):
        project, source = run_line.read_run(text, directory, {})
        return project, [source]
    path = f"{directory}/compose.yaml"
    content = text.encode("utf-8", "replace")
    project = Reader(lambda each: content if each == path else None, {}).project(path)
    return project, chosen(project, (), ())


def _plain(text: str) -> str:
    return text.replace(f"{_NOWHERE}/", "").replace(_NOWHERE[1:], "PROJECT")
