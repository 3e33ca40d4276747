"""JSON Schema (draft 2020-12) of definitions and settings, for editors and for CI. Pure.

Shapes come from the models; this module adds descriptions, and the short forms that people may
write. An editor reads `EULA: TRUE` as a boolean: where zedops takes text as written, the schema
accepts any plain value. `zedops validate` decides.
"""

from __future__ import annotations

from typing import Any

from zedops.spec.backup import Backup, Keep, Quiesce, Repository, World
from zedops.spec.container_options import Attachment, Logging, Ulimit
from zedops.spec.fields import Model
from zedops.spec.model import Definition, Health, Limits, Stop
from zedops.spec.port import Port
from zedops.spec.settings import Notify, Person, Settings
from zedops.spec.volume import Volume
from zedops.spec.web_settings import Proxy, WebSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: A port, or a range of them.
_PORT = r"^(\d{1,5}(-\d{1,5})?:)?\d{1,5}(-\d{1,5})?(/(tcp|udp|sctp))?$"
#: Text as written; an editor may read it as another type.
_PLAIN: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_LINE = {"anyOf": [{"type": "string"}, {"type": "array", "items": _PLAIN}]}

#: The meaning of each field, and examples.
WORDS: dict[type[Model], dict[str, tuple[str, tuple[Any, ...]]]] = {
    Definition: {
        "host": ("The host that runs it. Default: the fleet's only host.", ("attic",)),
        "game": ("A preset laid under this definition: one of zedops' or of presets.d/.",
                 ("minecraft", "project-zomboid", "valheim", "terraria", "factorio", "generic")),
        "desired": ("Whether the server runs or is stopped.", ("running", "stopped")),
        "image": ("The image to run. Required unless the preset names one.",
                  ("itzg/minecraft-server:latest",)),
        "command": ("Replaces the image's command: a list of words, or one line.",
                    (["server", "--port", "5000"],)),
        "ports": ("Ports by names of your choice; ${ports.NAME} is the host's port.",
                  ({"game": "16261/udp", "web": "8080:80/tcp"},)),
        "env": ("Environment variables; ${ports.NAME} and ${server.name} are replaced.",
                ({"SERVER_NAME": "${server.name}"},)),
        "secrets": ("Variables whose values live on the host, never in git.",
                    (["ADMIN_PASSWORD"],)),
        "secrets_as": ("How the container gets them: as variables, or as files in /run/secrets.",
                       ("env", "files")),
        "volumes": ("Directories that outlive the container, by names of your choice.",
                    ({"world": "/data", "install": {"path": "/game", "kind": "cache"}},)),
        "limits": ("The container's resource limits.", ({"memory": "4GiB", "cpus": 2},)),
        "stop": ("How zedops stops it, always: commands, signal, grace, kill.",
                 ({"grace": "90s", "commands": ["save-all"]},)),
        "health": ("A health check, or `image` for the image's own.", ("image",)),
        "depends_on": ("Servers of the same host that start first: by names, or with a condition.",
                       (["db"], {"db": {"condition": "service_healthy"}})),
        "restart": ("Change this text to restart it once.", ("2026-11-23T10:00:00Z",)),
        "rebuild": ("Change this text to pull the newest image and recreate it once.",
                    ("2026-11-23T10:00:00Z",)),
        "adopt": ("A container to take over, unchanged if it matches; or the id of an orphan.",
                  ("old-server",)),
        "drift": ("Whether to heal or report a change by hand; overrides the fleet's.",
                  ("heal", "report")),
        "backup": ("How its data is backed up, and when.", ({"every": "6h"},)),
        "world": ("Acts on its data: a change of a value acts once.",
                  ({"backup": "2026-11-23T10:00:00Z"},)),
        "labels": ("Labels of the container.", ({"owner": "ada"},)),
        "user": ("The user inside, as in `docker run --user`.", ("1000:1000",)),
        "networks": (("Docker networks to join; the first is the container's own. A mapping"
                      " sets aliases and addresses."), (["games"], {"games": {"aliases": ["db"]}})),
        "network_mode": ("The machine's own network (its owner must allow it), or none.",
                         ("host", "none")),
        "hostname": ("Its hostname inside.", ("rosewood",)),
        "entrypoint": ("Replaces the image's entrypoint: a list of words, or one line.",
                       (["/start.sh"],)),
        "working_dir": ("The working directory of its process.", ("/data",)),
        "tty": ("Whether it has a terminal, as with `docker run -t`.", (True,)),
        "stdin_open": ("Whether its input stays open, as with `docker run -i`.", (True,)),
        "init": ("Whether the Engine's init runs it. Default: yes, unless the image has one.",
                 (False,)),
        "platform": ("The platform of the image.", ("linux/amd64",)),
        "pull": ("When to ask the registry for the image.", ("always", "missing", "never")),
        "extra_hosts": ("Host names and their addresses; host-gateway is the machine.",
                        ({"db.lan": "192.0.2.7"},)),
        "dns": ("Name servers instead of the machine's.", (["192.0.2.53"],)),
        "dns_search": ("Domains to search for short names.", (["lan"],)),
        "tmpfs": ("Directories in memory, with their mount options.",
                  (["/tmp"], {"/run": "size=64m"})),  # noqa: S108 - inside the container
        "shm_size": ("Size of /dev/shm.", ("256MiB",)),
        "ulimits": ("Limits of its processes: a number, or soft and hard.",
                    ({"nofile": 65536}, {"nofile": {"soft": 1024, "hard": 65536}})),
        "sysctls": ("Kernel parameters of its own namespaces.", ({"net.core.somaxconn": "1024"},)),
        "devices": ("Devices of the machine; its owner must allow them.", (["/dev/dri"],)),
        "gpus": ("GPUs: all, how many, or their ids; the machine's owner must allow them.",
                 ("all", 1, ["0"])),
        "cap_add": ("Linux capabilities to add.", (["SYS_NICE"],)),
        "cap_drop": ("Linux capabilities to drop.", (["NET_RAW"], ["ALL"])),
        "group_add": ("Further groups of the user inside.", (["video", "44"],)),
        "read_only": ("Whether it can write only to its volumes and tmpfs.", (True,)),
        "security_opt": (("Security options, as in `docker run`; the machine's owner must allow"
                          " them."), (["no-new-privileges:false"],)),
        "logging": ("Where the Engine keeps its output. Default: json-file, 3 files of 10 MB.",
                    ({"driver": "local"},)),
        "profile": ("How far to lock it down; hardened drops every privilege that it can.",
                    ("default", "hardened")),
        "moved_from": ("The host that its data comes from; `zedops move` writes it.",
                       ("attic",)),
        "purge": ("Only in a tombstone: zedops also removes the data.", ("data",)),
    },
    Port: {
        "container": ("The port inside: a number, or with its protocol.", ("27015/tcp", 80)),
        "protocol": ("tcp or udp.", ("udp",)),
        "host": ("The host's port. Default: the same as inside.", (8080,)),
        "publish": ("Who reaches it: only containers, only this host, or every machine.",
                    ("none", "loopback", "public")),
        "address": ("Publish it only at this address of the host.", ("192.0.2.7",)),
    },
    Attachment: {
        "aliases": ("Further names for it in the network.", (["db"],)),
        "ipv4_address": ("A fixed address; the network must have a subnet.", ("172.20.0.5",)),
        "ipv6_address": ("A fixed address; the network must have a subnet.", ("fd00::5",)),
    },
    Ulimit: {
        "soft": ("The limit at start; the process may raise it up to hard. -1: no limit.", (1024,)),
        "hard": ("The highest limit that the process may set. -1: no limit.", (65536,)),
    },
    Logging: {
        "driver": ("The Engine's logging driver.", ("json-file", "local", "journald", "none")),
        "options": ("The driver's options.", ({"max-size": "50m", "max-file": "5"},)),
    },
    Volume: {
        "path": ("Its path in the container.", ("/data",)),
        "kind": (("data: kept and guarded; cache: can be downloaded again; file: one file of the"
                  " host."), ("data", "cache", "file")),
        "source": ("A directory of the host or a named volume, instead of zedops' own place.",
                   ("/srv/world", "world-volume")),
        "read_only": ("The container may not write to it.", (True,)),
        "subpath": ("A directory inside the named volume.", ("worlds/red",)),
        "propagation": ("Mount propagation between host and container.", ("rslave",)),
    },
    Backup: {
        "every": ("The time between two backups, from 5m on.", ("6h", "1d")),
        "at": ("The times of day for a backup, UTC; instead of `every`.", ("04:30",)),
        "keep": ("How many snapshots stay.", ({"last": 4, "daily": 7},)),
        "repository": ("A name from `backups:` in zedops.yaml; host: the host's own.", ("nas",)),
        "exclude": ("Patterns of files to leave out, as restic has them.", (["*.jar", "logs/"],)),
        "quiesce": (("How the server comes to rest: stop, none, or commands before and after."),
                    ("stop", {"before": ["rcon-cli save-off"], "after": ["rcon-cli save-on"]})),
    },
    Keep: {
        "last": ("The newest ones.", (4,)),
        "daily": ("The newest one of each of so many days.", (7,)),
        "weekly": ("The newest one of each of so many weeks.", (4,)),
        "monthly": ("The newest one of each of so many months.", (6,)),
    },
    Quiesce: {
        "how": ("stop, none or commands.", ("commands",)),
        "before": ("Run in it before the backup; a failure ends the backup.",
                   (["rcon-cli save-off", "rcon-cli save-all flush"],)),
        "after": ("Run in it afterwards, also after a failure or a crash of zedops.",
                  (["rcon-cli save-on"],)),
    },
    World: {
        "backup": ("Change this text to back up once; `zedops backup` does.",
                   ("2026-11-23T10:00:00Z",)),
        "restore": ("Change this to restore once: latest, a snapshot, or a time.",
                    ("2026-11-30T20:00:00Z", "4bba301e")),
        "of": ("The id of the server whose snapshot to restore. Default: this one.",
               ("01JD0000000000000000000000",)),
    },
    Repository: {
        "address": ("As for `restic -r`, without a password.",
                    ("sftp:zedops@nas:/backups", "rest:https://nas.example:8000/")),
        "secrets": ("Variables for restic whose values are on the host.",
                    (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],)),
    },
    Limits: {
        "memory": ("With a unit; k, m, g, t count in 1024s.", ("4GiB", "512MiB")),
        "cpus": ("How many CPUs it may use.", (2, 0.5)),
        "pids": ("How many processes it may have.", (512,)),
    },
    Stop: {
        "signal": ("The signal that asks it to end.", ("SIGTERM", "SIGINT")),
        "grace": ("The time to save and end before the kill; 1h at most.",
                  ("90s", "2m")),
        "commands": ("Run in it before the signal, 30 s each: shell lines, or lists of words.",
                     (["rcon-cli save-all"],)),
    },
    Health: {
        "test": ("A line for the container's shell, or a list of words.",
                 (["CMD-SHELL", "pgrep game"], "pgrep game")),
        "interval": ("The time between two checks.", ("30s",)),
        "timeout": ("How long one check may take.", ("5s",)),
        "retries": ("It is unhealthy after this many failures in a row.", (3,)),
        "start_period": ("Failures in this time after a start do not count.", ("5m",)),
    },
    Settings: {
        "name": ("The fleet's name; cannot change once the fleet has servers.", ("home",)),
        "hosts": ("The machines of this fleet, each with one Docker Engine.", (["attic"],)),
        "defaults": ("Values for definitions that do not set them; not adopt, moved_from, purge.",
                     ({"limits": {"memory": "4GiB"}},)),
        "retention": ("How long a deleted server can be restored.", ("24h", "7d")),
        "drift": ("Whether to heal or report a container changed by hand.", ("heal", "report")),
        "purge_data": ("Whether to remove a deleted server's data after its retention.", (False,)),
        "backups": ("Repositories for backups, by names of your choice.",
                    ({"nas": "sftp:zedops@nas:/backups"},)),
        "deletion_budget": ("Most servers with data that a push deletes without an option.", (3,)),
        "state_branch": ("The upstream branch for states, where main is protected.",
                         ("zedops-state",)),
        "recipients": ("Public keys to encrypt secrets with, by host.",
                       ({"attic": "age1…"},)),
        "notify": ("Where to send messages, and about which events.", ([{"url": "${NTFY_URL}"}],)),
        "require_signatures": ("Accept only commits signed with a key of the fleet.", (True,)),
        "web": ("The web page: its URL, and the ways to log in.",
                ({"url": "https://fleet.example", "logins": ["passkey"]},)),
        "people": ("Each person's rights, by their key's address. Implies signatures.",
                   ({"ann@example.org": {"may": ["change", "delete", "purge", "settings"]}},)),
    },
    WebSettings: {
        "url": ("How browsers reach the page.", ("https://fleet.example",)),
        "plain_http": ("Whether to take logins over plain HTTP from other machines.", (True,)),
        "proxy": ("The reverse proxy that says who a request is from.",
                  ({"addresses": ["127.0.0.1"], "kind": "authelia"},)),
        "logins": ("The ways to log in.", (["link", "passkey"],)),
        "session": ("How long a session lasts.", ("7d",)),
        "idle": ("How long a session lasts without a request.", ("24h",)),
    },
    Proxy: {
        "addresses": ("The addresses or networks of the proxy; all others are not believed.",
                      (["127.0.0.1", "10.0.0.0/24"],)),
        "kind": ("The login service that sets the headers.",
                 ("authelia", "oauth2-proxy", "tailscale")),
        "email": ("The header with the person's address, if not the kind's.", ("Remote-Email",)),
        "name": ("The header with the person's name, if not the kind's.", ("Remote-Name",)),
    },
    Person: {
        "may": ("The person's rights: change, delete, purge, settings.", (["change", "delete"],)),
        "paths": ("The files that these rights cover; all if empty.", (["servers.d/mc-*"],)),
    },
    Notify: {
        "url": ("An Apprise URL, or a variable of the manager that holds one.", ("${NTFY_URL}",)),
        "on": ("The events to send.", (["failed", "missing", "host-lost"],)),
        "ahead": ("How long before the purge of a deleted server to send a message.", ("6h",)),
    },
}  # fmt: skip

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
