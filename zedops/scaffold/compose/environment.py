"""A service's variables, env files and secrets → `env` and `secrets`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zedops.scaffold.compose import merge
from zedops.scaffold.compose.reading import Translation, is_true, items, only
from zedops.scaffold.compose.scalars import Plain, as_text, kind
from zedops.scaffold.compose.variables import decoded, read_env_file
from zedops.spec.secret_values import in_command, is_secret

_NO_WORD = re.compile(r"\W+")


def environment(given: Translation, value: Any) -> None:
    _environment(given, merge.as_pairs(value))


def env_file(given: Translation, _: Any) -> None:
    if "environment" not in given.tree:
        _environment(given, {})


def _environment(given: Translation, said: Mapping[str, Any]) -> None:
    values = _env_files(given)
    for name, each in said.items():
        if isinstance(each, dict | list):
            raise ValueError(f"{name} is {kind(each)}; write a text")
        if merge.is_null(each):
            values.pop(name, None)
            if name in given.project.variables:
                values[name] = given.project.variables[name]
            continue
        values[name] = as_text(each)
        is_open = given.keep_secrets or not is_secret(name, values[name])
        if isinstance(each, Plain) and each.written != values[name] and is_open:
            given.note(
                f"environment: {name} is written {each.written} without quotes; Compose gives"
                f" the container {values[name]!r}, and so does this"
            )
    _sort_secrets(given, values)


def _env_files(given: Translation) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in merge.as_list(given.tree.get("env_file")):
        long = each if isinstance(each, dict) else {"path": each}
        only("env_file", long, {"path", "required", "format"})
        path = as_text(long.get("path", ""))
        content = given.read(path)
        if content is None:
            if is_true(long.get("required", True)):
                raise ValueError(f"{path} cannot be read")
            given.note(f"env_file {path} is not there, and need not be")
            continue
        text = decoded(path, content)
        try:
            found |= _raw(text) if as_text(long.get("format", "")) == "raw" else \
                read_env_file(text, {**found, **given.project.variables})
        except ValueError as error:
            raise ValueError(f"env_file {path}: {error}") from error
    return found


def _sort_secrets(given: Translation, values: Mapping[str, str]) -> None:
    env = {}
    for name, value in sorted(values.items()):
        if "\0" in value:
            raise ValueError(f"{name} holds a NUL character, which no environment can")
        if is_secret(name, value) and not given.keep_secrets:
            given.secrets[name] = value
            continue
        if "${ports." in value or "${server." in value:
            given.refuse(
                f"environment: {name} holds ${{ports.…}} or ${{server.…}}, which a definition"
                " fills in; it cannot be written as text"
            )
        env[name] = value
    if env:
        given.fields["env"] = env
    if given.secrets:
        given.fields["secrets"] = sorted(given.secrets)


def look_for_passwords(given: Translation) -> None:
    """Refuse a service with passwords outside its variables; leave out labels that hold one."""
    if given.keep_secrets:
        return
    if found := in_fields(given.fields):
        given.refuse(found)
    labels = given.fields.get("labels", {})
    hidden = [key for key, each in labels.items() if is_secret(_NO_WORD.sub("_", key), each)]
    for key in hidden:
        del labels[key]
        given.note(f"labels: {key} looks like a secret, and is left out (or --secrets keep)")
    if not labels:
        given.fields.pop("labels", None)


def in_fields(fields: Mapping[str, Any]) -> str | None:
    """Find a password in a program, a health check or a log; returns the refusal."""
    test = fields.get("health", {}).get("test", ())
    programs = {
        "command": [*(fields.get("entrypoint") or ()), *(fields.get("command") or ())],
        "healthcheck": test.split() if isinstance(test, str) else list(test)[1:],
    }
    options = (fields.get("logging") or {}).get("options", {})
    hidden = [key for key, each in options.items() if is_secret(_NO_WORD.sub("_", key), each)]
    found = [f"{key}: {word}" for key, words in programs.items() if (word := in_command(words))]
    found += [f"logging: {key}" for key in hidden]
    if not found:
        return None
    fact = f"{found[0]} looks like a password, and would be in git for every reader"
    return f"{fact}; let the program read it from a variable (or --secrets keep)"


def secrets(given: Translation, value: Any) -> None:
    """Refuse Compose's own secrets, which are files in /run/secrets."""
    if not (names := _names(value)):
        return
    given.refuse(
        f"secrets: {', '.join(names)}: files that Compose makes in /run/secrets; write"
        " `secrets:` and `secrets_as: files`, and set them with `zedops secret set`"
    )


def _names(value: Any) -> list[str]:
    return [as_text(each.get("source", "?")) if isinstance(each, dict) else as_text(each)
            for each in items(value)]


def _raw(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines() if line.strip()[:1] not in ("", "#"))
    return {key.strip(): value for key, equals, value in lines if equals}



