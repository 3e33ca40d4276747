"""Validates data against a model; turns pydantic's errors into problems with places. Pure."""

from __future__ import annotations

import difflib
import json
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zedops.errors import Problem
from zedops.spec.fields import looks_secret
from zedops.spec.places import Path, Source, dotted

#: Most reported problems of one file: the search for each remedy takes time.
MAX_PROBLEMS = 100

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], source: Source) -> tuple[M | None, list[Problem]]:
    """Check data against a model; return the model, or None and problems with their places."""
    if not isinstance(source.data, dict):
        return None, []
    try:
        return model.model_validate(source.data), []
    except ValidationError as error:
        few = error.errors(include_url=False, include_context=False)[: MAX_PROBLEMS + 1]
        return None, [_translate(model, source, each) for each in few]


def _translate(model: type[BaseModel], source: Source, error: ErrorDetails) -> Problem:
    written: Path = ()
    unwritten: Path = ()
    for part in error["loc"]:
        if (*written, part) in source.places:
            written = (*written, part)
        elif part != "[key]":
            unwritten = (*unwritten, part)
    mark = source.mark(written)
    kind, message = error["type"], error["msg"]
    remedy = ""
    if kind == "missing":
        written = (*written, *unwritten)
        message, remedy = "is required", "add it"
    elif kind == "extra_forbidden":
        known = _known_keys(model, written[:-1])
        close = difflib.get_close_matches(str(written[-1])[:100], known, n=1)
        message = "unknown key"
        remedy = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
        remedy = _ELSEWHERE.get(str(written[-1]), remedy) if len(written) == 1 else remedy
    elif kind == "value_error":
        message, _, remedy = _shortened(message.removeprefix("Value error, ")).partition("; ")
    else:
        message = _PLAIN_WORDS.get(kind) or _SHOULD.sub("must ", message)
        if kind in _KINDS_OF_PARTS and len(written) == 1:
            example = _EXAMPLES.get(str(written[0]))
            remedy = f"write e.g. `{written[0]}: {example}`" if example else ""
        if not isinstance(error["input"], dict) and not _is_secret(written):
            message = f"{_shown(error['input'])}: {message}"
    return Problem(source.path, mark.line, mark.column, dotted(written), message, remedy)


def _is_secret(path: Path) -> bool:
    """Say whether the value at a path may be a secret; no message repeats one."""
    return path[:1] == ("secrets",) or any(looks_secret(str(part)) for part in path)


def _shortened(message: str) -> str:
    """Cut out the middle of a long message, which is a value."""
    return message if len(message) <= 400 else f"{message[:100]}…{message[-200:]}"


def _shown(value: object) -> str:
    """Show the start of a value; of a list its first items: anchors can make it huge."""

    def cut(each: object) -> object:
        if isinstance(each, str):
            return each[:60]
        return "…" if isinstance(each, list | dict) else each

    shown = [cut(each) for each in value[:10]] if isinstance(value, list) else cut(value)
    return json.dumps(shown, default=str, ensure_ascii=False)[:60]


#: The start of pydantic's messages ("Input should be …"), replaced by "must".
_SHOULD = re.compile(r"^[A-Z]\w+ should (?=be|have)")
_KINDS_OF_PARTS = ("dict_type", "tuple_type", "model_type")
#: An example of each field, for remedies.
_EXAMPLES = {
    "ports": "{game: 16261/udp, web: 8080:80}",
    "env": "{KEY: value}",
    "labels": "{key: value}",
    "volumes": "{world: /data}",
    "limits": "{memory: 4GiB, cpus: 2}",
    "stop": "{grace: 60s}",
    "health": "{test: [CMD, /bin/check]}",
    "command": "[/bin/server, --port, \"8080\"]",
    "networks": "[games]",
    "secrets": "[ADMIN_PASSWORD]",
    "hosts": "[local, attic]",
    "defaults": "{limits: {memory: 4GiB}}",
}
#: Keys of compose files → the remedy that names the key of zedops.
_ELSEWHERE = {
    "environment": "did you mean 'env'?",
    "env_file": "write the variables into `env: {KEY: value}`",
    "mem_limit": "write `limits: {memory: 4GiB}`",
    "memory": "write `limits: {memory: 4GiB}`",
    "cpus": "write `limits: {cpus: 2}`",
    "container_name": "the file's name is the server's name; leave this out",
    "name": "the file's name is the server's name; leave this out",
    "stop_grace_period": "write `stop: {grace: 60s}`",
    "stop_signal": "write `stop: {signal: SIGINT}`",
    "healthcheck": "did you mean 'health'?",
    "restart_policy": "zedops starts servers again by itself; leave this out",
    "build": "build the image elsewhere, and write `image: registry/name:tag`",
    "services": "this is a compose file; `zedops import FILE` makes definitions of it",
}
_PLAIN_WORDS = {
    "string_type": "must be text; put it in quotes",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
    "bool_parsing": "must be true or false",
    "string_pattern_mismatch": "has characters that are not allowed here",
}


def _known_keys(model: type[BaseModel], path: Path) -> list[str]:
    current: object = model
    for part in path:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            found = _models_in(fields[part].annotation)
            current = found[0] if found else None
    return sorted(getattr(current, "model_fields", {}))


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments = getattr(annotation, "__args__", ())
    return [model for argument in arguments for model in _models_in(argument)]
