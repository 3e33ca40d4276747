"""`zedops secret`: values outside every repository, or encrypted in it for one host.

A value comes from a prompt or from standard input, never from the command line, which every user
of a machine can read. No output, error or log file repeats a value.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from zedops.cli.completion_types import SERVER
from zedops.cli.find import here, one_server
from zedops.cli.host_options import DATA_ROOT
from zedops.cli.output import WAIT, show_json, table
from zedops.cli.push import act
from zedops.cli.push import ask as confirm
from zedops.cli.secret_files import FLEET, Place, find_place
from zedops.clone.clone import Clone
from zedops.clone.verbs import Act
from zedops.control.hosts import call
from zedops.errors import UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.protocol.requests import RecipientReply, RecipientRequest
from zedops.queries.output import SecretRow
from zedops.spec import document, edit, loader
from zedops.spec.document import Document
from zedops.spec.fields import ENV_KEY
from zedops.spec.layout import NAME, SETTINGS_PATH
from zedops.spec.model import Definition
from zedops.spec.resolve import layers
from zedops.spec.state_block import render
from zedops.system import age

#: Longer values fit in no environment (execve(2): 128 KiB a string), and in no definition.
_MAX_BYTES = 64 * 1024


@click.group("secret")
def secret_command() -> None:
    """Give servers passwords and keys, outside git or encrypted in it.

    \b
    zedops secret set rosewood ADMIN_PASSWORD         kept on this host, in no repository
    zedops secret encrypt rosewood ADMIN_PASSWORD     in the definition, for its host's key
    zedops secret encrypt rosewood API_KEY < file     a value from standard input
    """


@secret_command.command("set")
@click.argument("server", type=SERVER)
@click.argument("name")
@FLEET
@DATA_ROOT
def set_command(server: str, name: str, fleet: str | None, data_root: Path | None) -> None:
    """Keep a value on this host. zedops recreates a running server with it, once.

    The definition lists the name: `secrets: [ADMIN_PASSWORD]`. Run this on the server's host.
    """
    _check(server, name)
    place = find_place(fleet, data_root)
    _check_host(place, server)
    _check_asked(place, server, name)
    path = place.secrets.set(place.holder(server), name, _value(name))
    click.echo(f"{name} of {server} is kept in {path}")


@secret_command.command("remove")
@click.argument("server", type=SERVER)
@click.argument("name")
@FLEET
@DATA_ROOT
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove_command(
    server: str, name: str, fleet: str | None, data_root: Path | None, yes: bool
) -> None:
    """Remove a value from this host. A container keeps it until zedops recreates that container."""
    _check(server, name)
    place = find_place(fleet, data_root)
    confirm(f"Remove {name} of {server} from this host? It is kept nowhere else.", yes=yes)
    if not place.secrets.remove(place.holder(server), name):
        raise UsageError(f"{name} of {server} is not set here; `zedops secret list` lists all")
    click.echo(f"{name} of {server} is removed")


@secret_command.command("list")
@click.argument("server", required=False, type=SERVER)
@FLEET
@DATA_ROOT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(
    server: str | None, fleet: str | None, data_root: Path | None, as_json: bool
) -> None:
    """List the secrets and their places, never their values."""
    place = find_place(fleet, data_root)
    rows = [each for each in _rows(place) if server in (None, each.server)]
    if as_json:
        show_json(rows)
        return
    words = {True: "yes", False: "no", None: "not seen from here"}
    table(
        ["SERVER", "NAME", "KEPT", "SET", "ASKED FOR"],
        [[each.server, each.name, each.kept, words[each.set], "yes" if each.asked_for else "no"]
         for each in rows],
        "no secrets; `zedops secret set SERVER NAME` keeps the first",
    )


@secret_command.command("encrypt")
@click.argument("server", type=SERVER)
@click.argument("name")
@WAIT
def encrypt_command(server: str, name: str, wait: bool) -> None:
    """Write a value into the definition, encrypted for the server's host, by a commit.

    Only that host can read it. `zedops secret recipients` writes the host's key to zedops.yaml.
    """
    _check(server, name)
    clone = here()
    fleet, each = one_server(clone, server)
    if each.definition is None:
        raise UsageError(f"{each.path} cannot be read; `zedops validate` says why")
    host = fleet.host_of(each) or ""
    recipient = fleet.settings.recipients.get(host)
    if recipient is None:
        remedy = "`zedops secret recipients` asks for it"
        raise UsageError(f"the key of host {host!r} is not in {SETTINGS_PATH}; {remedy}")
    purpose = f"{fleet.settings.name}/{each.id or server}/{name}"
    sealed = age.seal(_value(name), purpose, recipient)
    under = _laid_under(fleet, each)
    content = render(_with_secret(each, name, sealed, under), each.state)
    if name in each.definition.env:
        click.echo(f"{name} also stands in env:, in plain text; remove that line", err=True)
    act(clone, Act(f"{server}: secret {name}", {each.path: content}), server, wait=wait)


@secret_command.command("recipients")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before a key is replaced.")
def recipients_command(yes: bool) -> None:
    """Ask every host for its public key and keep it in zedops.yaml, by a commit.

    Before it replaces a key, the command asks: compare the new key with
    `agent/<fleet>/recipient` under the data root of that host.
    """
    clone = here()
    settings = clone.settings()
    found: dict[str, str] = {}
    for host in settings.hosts:
        try:
            found[host] = call(clone, host, RecipientRequest(), RecipientReply).recipient
        except ZedopsError as error:
            click.echo(f"{host}: {error}", err=True)
    changed = {host: key for host, key in found.items() if settings.recipients.get(host) != key}
    for host, key in sorted(found.items()):
        click.echo(f"{host}\t{key}")
        if host in changed and host in settings.recipients:
            again = "encrypt every secret of this host again afterwards"
            confirm(f"{host} has another key than {SETTINGS_PATH} says; {again}. Go on?", yes=yes)
    if changed:
        _write_recipients(clone, changed)


def _write_recipients(clone: Clone, changed: dict[str, str]) -> None:
    content = clone.repository.pipe("show", f"refs/remotes/origin/main:{SETTINGS_PATH}")
    text = content.decode("utf-8-sig")
    for host, key in changed.items():
        text = edit.set_key(loader.load(SETTINGS_PATH, text), text, "recipients", host, key)
    clone.act({SETTINGS_PATH: text.encode()}, f"Keys of {', '.join(sorted(changed))}")


def _laid_under(fleet: Fleet, each: Document) -> list[str]:
    """List the secrets of preset and defaults, if the definition lists none."""
    preset, defaults, own = layers(each, fleet.settings, fleet.presets)
    if own.get("secrets"):
        return []
    return list(defaults.get("secrets") or preset.get("secrets") or ())


def _with_secret(each: Document, name: str, sealed: str, under: list[str]) -> str:
    """Put a sealed value into the text, with the names laid `under` it: it would replace them."""
    if under:
        content = edit.set_field(each, "secrets", f"[{', '.join(under)}]").encode()
        each = document.parse(each.path, content)
    mark = "\ufeff" if each.head.startswith("\ufeff") else ""
    bare = each.head.removeprefix(mark)
    head = edit.set_secret(each.source, bare, name, sealed)
    made = loader.load(each.path, head)
    wanted = dict.fromkeys(each.source.data.get("secrets") or ())
    if isinstance(each.source.data.get("secrets"), dict):
        wanted = each.source.data["secrets"]
    if made.problems or made.data != {**each.source.data, "secrets": {**wanted, name: sealed}}:
        fact = f"{each.path}: `secrets:` is written in a way that this command cannot change"
        raise UsageError(f"{fact}; add this below it by hand: `{name}: {sealed}`")
    return mark + head


def _rows(place: Place) -> list[SecretRow]:
    here_set = place.set_here()
    unasked = None if place.known is None else False
    rows = {key: SecretRow(*key, "on this host", set=True, asked_for=unasked) for key in here_set}
    for each in place.known.servers() if place.known else ():
        definition = _resolved(place.known, each)
        if definition is None or place.known is None:
            continue
        for name in definition.secrets:
            key = (each.name, name)
            host = place.known.host_of(each)
            elsewhere = place.host not in (None, host)
            kept, there = f"on {host}", None if elsewhere else key in here_set
            if name in definition.sealed_secrets:
                kept, there = f"in the fleet, for {host}", True
            rows[key] = SecretRow(*key, kept, set=there, asked_for=True)
    return [rows[key] for key in sorted(rows)]


def _resolved(fleet: Fleet | None, each: Document) -> Definition | None:
    """Resolve a definition with its preset; if that fails, return it as written."""
    return (fleet.resolve(each)[0] if fleet else None) or each.definition


def _check_asked(place: Place, server: str, name: str) -> None:
    """Refuse a typing mistake; a definition may ask for the secret later."""
    if place.known is None:
        return
    servers = {each.name: each for each in place.known.servers()}
    if server not in servers:
        if close := _meant(server, servers):
            raise UsageError(f"no server {server!r}; did you mean {close!r}?")
        click.echo(f"no server {server!r} yet: kept for the one that gets this name", err=True)
        return
    definition = _resolved(place.known, servers[server])
    asked = definition.secrets if definition else ()
    if definition is not None and name not in asked:
        if close := _meant(name, asked):
            raise UsageError(f"{server} asks for no {name}; did you mean {close}?")
        known = f"it asks for {', '.join(asked)}" if asked else "it asks for no secret"
        click.echo(f"{server} does not ask for {name} yet: {known}", err=True)


def _meant(word: str, known: Iterable[str]) -> str | None:
    """Find the name behind a typing mistake; a different number is no mistake."""
    letters = word.rstrip("0123456789")
    others = [each for each in known if each.rstrip("0123456789") != letters]
    return next(iter(difflib.get_close_matches(word, others, n=1, cutoff=0.88)), None)


def _check_host(place: Place, server: str) -> None:
    fleet: Fleet | None = place.known
    if fleet is None:
        return
    each = next((each for each in fleet.servers() if each.name == server), None)
    host = fleet.host_of(each) if each is not None else None
    if host is not None and place.host not in (None, host):
        remedy = f"run this there, or use `zedops secret encrypt {server} NAME`"
        raise UsageError(f"{server} is on {host}, and this is {place.host}; {remedy}")


def _check(server: str, name: str) -> None:
    """Refuse invalid names: both become parts of a path."""
    if not NAME.fullmatch(server):
        rule = "lower-case letters, digits and '-', at most 63, no '-' first"
        raise UsageError(f"{server!r} cannot be a server's name; use {rule}")
    if not ENV_KEY.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a secret's name; write e.g. ADMIN_PASSWORD")


def _value(name: str) -> str:
    """Read a value; one line end at its end is not part of it. Errors never repeat it."""
    if sys.stdin.isatty():
        text: str = click.prompt(name, hide_input=True, confirmation_prompt="once more")
    else:
        raw = sys.stdin.buffer.read(_MAX_BYTES + 2)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            remedy = "encode it, e.g. with base64"
            raise UsageError(f"the value of {name} is not UTF-8 text; {remedy}") from None
        text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\0" in text or len(text.encode()) > _MAX_BYTES:
        rule = f"one to {_MAX_BYTES} bytes without a NUL, from a prompt or standard input"
        raise UsageError(f"the value of {name} cannot be used; give {rule}")
    return text
