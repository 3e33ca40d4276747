"""New servers: a gallery of presets, a short form for one, and the import of a pasted text.

All of them end in the editor with a definition, and nothing is pushed before the person has seen
it there. A value that looks like a secret gets into no definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from zedops.control import client
from zedops.errors import InvalidInput, UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.fleet.ports import free_set
from zedops.queries.conversion import read_all
from zedops.queries.hosts import the_host
from zedops.queries.output import PortRow
from zedops.scaffold.imported import policy_lines, write
from zedops.scaffold.preset import ports_of, write_plain, write_start
from zedops.spec.layout import NAME
from zedops.spec.preset import Preset
from zedops.spec.secret_values import is_secret
from zedops.web import imports
from zedops.web.checks import check
from zedops.web.drafts import Fields
from zedops.web.edit_pages import Text, editor
from zedops.web.forms import read_act_form
from zedops.web.pages import MENU, page
from zedops.web.site import Site

MENU.insert(1, ("New", "/new"))
#: The form that begins with an image, not with a preset.
PLAIN = "image"


@dataclass(frozen=True)
class Card:
    """One preset of the gallery."""

    name: str
    title: str
    line: str  #: its image, ports and memory


def gallery(request: Request) -> Response:
    """Show the presets that fit a search."""
    rules = _rules(request)
    text = request.query_params.get("q", "")[:100]
    cards = [_card(each) for _, each in sorted(rules.presets.items()) if not each.problems]
    words = text.lower().split()
    shown = [each for each in cards
             if all(word in f"{each.name} {each.title} {each.line}".lower() for word in words)]
    return page(request, "new.html", cards=shown, text=text)


def _card(preset: Preset) -> Card:
    ports = [f"{each.host}/{each.protocol}" for each in ports_of(preset).values()
             if each.publish != "none"]
    memory = preset.data.get("limits", {}).get("memory")
    parts = [str(preset.data.get("image") or "your image"), " ".join(ports), str(memory or "")]
    return Card(preset.name, preset.about.title or preset.name, " · ".join(filter(None, parts)))


def begin(request: Request) -> Response:
    """Show the form for a preset, or for an image."""
    return _form(request, request.path_params["game"], {})


def _form(
    request: Request, game: str, said: Mapping[str, str], told: str = "", status: int = 200
) -> Response:
    rules = _rules(request)
    preset = None if game == PLAIN else rules.presets.get(game)
    if preset is None and game != PLAIN:
        return page(request, "problem.html", 404, said=f"there is no preset {game!r}")
    if preset is not None and preset.problems:
        raise InvalidInput(preset.problems)
    ports = ports_of(preset) if preset else {}
    free = _free(request, rules, preset, said.get("host") or None)
    return page(
        request, "new_form.html", status, game=game, preset=preset, said=said, told=told,
        hosts=rules.settings.hosts, usual=rules.default_host, ports=ports, free=free,
    )


async def written(request: Request) -> Response:
    """Write the definition of a form, and show it in the editor."""
    form, _ = await read_act_form(request)
    return await run_in_threadpool(_written, request, form)


def _written(request: Request, form: FormData) -> Response:
    game = str(form.get("game", ""))[:100]
    said = {str(key)[:100]: str(value)[:20_000].strip() for key, value in form.items()}
    name = said.get("name", "")
    try:
        text = _definition(_rules(request), game, name, said)
        return _show(request, Fields("new", (name,), texts=(text,)), [Text(name, text)])
    except ZedopsError as error:
        return _form(request, game, said, str(error), 409)


def _definition(rules: Fleet, game: str, name: str, said: Mapping[str, str]) -> str:
    if not NAME.fullmatch(name):
        rule = "lower-case letters, digits and '-', at most 63, no '-' first"
        raise UsageError(f"{name!r} cannot be a server's name; use {rule}")
    where = the_host(rules, said.get("host") or None)
    host = said.get("host") or (None if rules.default_host else where)
    env, image = _env(said.get("env", ""), name), said.get("image", "")
    if game == PLAIN:
        if not image:
            raise UsageError("name an image, such as ghcr.io/example/game:1")
        lines = {key: said.get(key, "").split() for key in ("ports", "volumes")}
        pairs = [f"{key}={value}" for key, value in env.items()]
        return write_plain(image, host, lines["ports"], lines["volumes"], pairs)
    preset = rules.presets.get(game)
    if preset is None:
        raise UsageError(f"there is no preset {game!r}")
    for key, each in preset.about.asks.items():
        if (value := said.get(f"env-{key}", each.value)) != each.value:
            env[key] = value
    numbers = {key[5:]: _number(key[5:], value) for key, value in said.items()
               if key.startswith("port-") and key[5:] in ports_of(preset)}
    return write_start(name, preset, numbers, host=host, image=image or None, env=env)


def _number(key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise UsageError(f"port {key}: {text!r} is no port number; write 1 to 65535")
    return int(text)


def _env(text: str, name: str) -> dict[str, str]:
    """Read lines of KEY=VALUE. UsageError for a value that looks like a secret."""
    found = {}
    for line in filter(None, (each.strip() for each in text.splitlines())):
        key, equals, value = line.partition("=")
        if not equals:
            raise UsageError(f"{line!r} is no variable; write KEY=VALUE, one a line")
        if is_secret(key, value):
            remedy = f"write `secrets: [{key}]` in the next step, and set it with"
            fact = f"{key} looks like a secret, which never goes to git"
            raise UsageError(f"{fact}; {remedy} `zedops secret set {name} {key}` on its host")
        found[key] = value
    return found


def paste(request: Request) -> Response:
    """Show the form for a compose file or a `docker run` line."""
    return _paste(request, {})


def _paste(
    request: Request, said: Mapping[str, str], told: tuple[str, ...] = (), status: int = 200
) -> Response:
    rules = _rules(request)
    return page(request, "new_import.html", status, said=said, told=told,
                hosts=rules.settings.hosts, usual=rules.default_host)


async def pasted(request: Request) -> Response:
    """Translate a pasted text, and show the definitions in the editor."""
    form, _ = await read_act_form(request)
    said = {key: str(form.get(key, "")) for key in ("source", "directory", "host")}
    return await run_in_threadpool(_pasted, request, said)


def _pasted(request: Request, said: Mapping[str, str]) -> Response:
    rules = _rules(request)
    try:
        where = the_host(rules, said["host"] or None)
        found, notes = imports.read(said["source"], said["directory"])
    except ZedopsError as error:
        return _paste(request, said, tuple(str(error).splitlines()), 409)
    refused = tuple(f"{each.name}: not imported: {why}" for each in found for why in each.refused)
    good = [each for each in found if not each.refused]
    if not good:
        return _paste(request, said, refused, 409)
    host = said["host"] or (None if rules.default_host else where)
    texts = []
    for each in good:
        needed = policy_lines(each)
        fact = "its host must allow it in /etc/zedops/agent.yaml"
        policy = [f"{fact}: {'; '.join(needed)}"] if needed else []
        texts.append(Text(each.name, write(each, host), (*each.notes, *policy)))
    names = tuple(each.name for each in texts)
    fields = Fields("import", names, texts=tuple(each.text for each in texts))
    return _show(request, fields, texts, (*refused, *notes))


def _show(
    request: Request, fields: Fields, texts: list[Text], notes: tuple[str, ...] = ()
) -> Response:
    site: Site = request.app.state.site
    fields = Fields(**{**vars(fields), "base": site.desk.tip()})
    return editor(request, fields, texts, checked=check(site, fields), notes=notes)


def _rules(request: Request) -> Fleet:
    site: Site = request.app.state.site
    with site.desk.clone() as clone:
        return clone.rules()


def _free(
    request: Request, rules: Fleet, preset: Preset | None, named: str | None
) -> dict[str, int]:
    """Suggest free host ports; those of the preset where its host cannot say."""
    declared = ports_of(preset) if preset else {}
    site: Site = request.app.state.site
    taken: set[tuple[str, int]] = set()
    try:
        asked: dict[str, Any] = {"do": "ports", "host": the_host(rules, named)}
        said = client.ask_hub(site.hub, asked, lambda _: None)
        taken = {(each.protocol, each.port) for each in read_all(PortRow, said["rows"])}
    except ZedopsError:  # without a host, or a host that does not answer: the gate checks again
        pass
    return free_set(taken, declared) if declared else {}


ROUTES = [
    Route("/new", gallery),
    Route("/new/import", paste, methods=["GET"]),
    Route("/new/import", pasted, methods=["POST"]),
    Route("/new/write", written, methods=["POST"]),
    Route("/new/{game}", begin),
]
