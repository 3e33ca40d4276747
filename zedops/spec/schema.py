"""JSON Schema (draft 2020-12) of definitions and settings, for editors and for CI. Pure.

Shapes come from the models; this module adds descriptions, and the short forms that people may
write. An editor reads `EULA: TRUE` as a boolean: where zedops takes text as written, the schema
accepts any plain value. `zedops validate` decides.
"""

from __future__ import annotations

from typing import Any

from zedops.spec.backup import Backup, Quiesce, Repository
from zedops.spec.container_options import Attachment, Ulimit
from zedops.spec.field_help import WORDS
from zedops.spec.fields import Model
from zedops.spec.model import Definition, Health, Stop
from zedops.spec.port import Port
from zedops.spec.settings import Settings
from zedops.spec.volume import Volume

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: A port, or a range of them.
_PORT = r"^(\d{1,5}(-\d{1,5})?:)?\d{1,5}(-\d{1,5})?(/(tcp|udp|sctp))?$"
#: Text as written; an editor may read it as another type.
_PLAIN: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_LINE = {"anyOf": [{"type": "string"}, {"type": "array", "items": _PLAIN}]}

#: Fields whose short forms the models read before they look at types.
_FORMS: dict[type[Model], dict[str, dict[str, Any]]] = {
    Definition: {
        "command": _LINE,
        "env": {"type": "object", "additionalProperties": _PLAIN,
                "propertyNames": {"pattern": r"^[^=]+$"}},
        "labels": {"type": "object", "additionalProperties": _PLAIN},
        "entrypoint": _LINE,
        "sysctls": {"type": "object", "additionalProperties": _PLAIN},
        "extra_hosts": {"type": "object", "additionalProperties": {"type": "string"}},
        "tmpfs": {"anyOf": [
            {"type": "string"}, {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ]},
        "gpus": {"anyOf": [{"const": "all"}, {"type": "integer", "minimum": 1},
                           {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
        "depends_on": {"anyOf": [
            {"type": "string"}, {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/Dependency"}},
        ]},
        "health": {"anyOf": [{"const": "image"}, {"$ref": "#/$defs/Health"}, {"type": "null"}]},
    },
    Port: {"container": {"anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": _PORT},
    ]}},
    Stop: {"commands": {"type": "array", "items": _LINE}},
    Quiesce: {"before": {"type": "array", "items": _LINE},
              "after": {"type": "array", "items": _LINE}},
    Backup: {"at": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}},
    Health: {"test": _LINE},
}
#: Models with a short form of one value.
_SHORT: dict[type[Model], dict[str, Any]] = {
    Port: {"anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": _PORT},
    ]},
    Volume: {"type": "string", "pattern": "^/."},
    Ulimit: {"type": "integer", "minimum": -1},
    Quiesce: {"enum": ["stop", "none"]},
    Repository: {"type": "string"},
    Attachment: {"type": "null"},
}
#: Required keys; a mapping with `container: 27015/tcp` or `container: 80` may omit the others.
_REQUIRED = {Port: ["container"], Volume: ["path"], Health: ["test"]}


def definition_schema() -> dict[str, Any]:
    """Make the schema of a file of `servers.d/` or `tombstones.d/`."""
    made = _schema(Definition)
    made["anyOf"] = [{"required": ["image"]}, {"required": ["game"]}]
    made["properties"]["state"] = {
        "description": "Written by zedops; edits are overwritten.", "type": ["object", "null"],
    }
    return _titled(made, "A server of a zedops fleet")


def settings_schema() -> dict[str, Any]:
    """Make the schema of `zedops.yaml`."""
    made, part = _schema(Settings), _schema(Definition)
    made["$defs"] = {**made.get("$defs", {}), **part.pop("$defs")}
    part.pop("required", None)
    made["$defs"]["Defaults"] = part
    made["properties"]["defaults"] = {
        **_words(Settings, "defaults"), "$ref": "#/$defs/Defaults",
    }
    made.pop("required", None)  # a fleet without a name is named after its directory
    return _titled(made, "Settings of a zedops fleet")


def _titled(made: dict[str, Any], title: str) -> dict[str, Any]:
    return {"$schema": DIALECT, **made, "title": title}


def _schema(model: type[Model]) -> dict[str, Any]:
    made = model.model_json_schema(mode="validation")
    known = {each.__name__: each for each in WORDS}
    _describe(model, made)
    definitions = made.setdefault("$defs", {})
    for name in list(definitions):
        if name in known:
            definitions[name] = _with_short_form(known[name], definitions[name])
    if model is Definition and "Health" not in definitions:
        inner = Health.model_json_schema(mode="validation")
        definitions["Health"] = _with_short_form(Health, inner)
    return made


def _with_short_form(model: type[Model], made: dict[str, Any]) -> dict[str, Any]:
    _describe(model, made)
    if model in _REQUIRED:
        made["required"] = _REQUIRED[model]
    return {"anyOf": [_SHORT[model], made]} if model in _SHORT else made


def _describe(model: type[Model], made: dict[str, Any]) -> None:
    """Add descriptions and short forms to the fields of one model."""
    made.pop("description", None)  # the class's docstring is for readers of the source
    for field, shape in made["properties"].items():
        form = _FORMS.get(model, {}).get(field)
        kept = form or {k: v for k, v in shape.items() if k not in ("title", "default")}
        default = _default(shape)
        said = {} if default is None else {"default": default}
        made["properties"][field] = {**_words(model, field), **kept, **said}


def _default(shape: dict[str, Any]) -> Any:
    """Give a default as people would write it; None for an empty one."""
    default = shape.get("default")
    if isinstance(default, float):
        return f"{default:g}s"
    return None if default in ("", {}, []) or isinstance(default, dict) else default


def _words(model: type[Model], field: str) -> dict[str, Any]:
    text, examples = WORDS[model][field]
    return {"description": text, "examples": list(examples)}
