"""The editor: a person's half of definitions, checked while it is typed, with the plan beside it.

The state below a definition is shown, and no form carries it. `POST /edit` shows the editor again
with the typed text, so none is lost; without scripts it is the way to check.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import resources

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from zedops.errors import ZedopsError
from zedops.queries.overview import named
from zedops.spec import state_block
from zedops.spec.document import Document
from zedops.web.act_pages import read_fields
from zedops.web.checks import Checked, Present, check, digest, present
from zedops.web.drafts import COMMIT, Fields
from zedops.web.forms import read_act_form
from zedops.web.pages import page, render
from zedops.web.site import Site
from zedops.web.turns import TooMany


@dataclass(frozen=True)
class Text:
    """One text of the editor: the definition of a server."""

    name: str
    text: str
    notes: tuple[str, ...] = ()
    state: str = ""  #: below it, written by zedops


def edit(request: Request) -> Response:
    """Show the definition of a server in the editor."""
    site: Site = request.app.state.site
    name = request.path_params["name"]
    try:
        with site.desk.clone() as clone:
            base = clone.at("origin/main")
            each = next(clone.read_server(name, base).servers(), None)
    except ZedopsError as error:
        return page(request, "problem.html", 404, said=str(error))
    if each is None:
        return page(request, "problem.html", 404, said=f"no server {name!r}")
    text = Text(name, each.head, state=_shown(each))
    return editor(request, Fields("edit", (name,), base=base), [text], seen=digest(each.head))


def _shown(each: Document) -> str:
    return state_block.render("", each.state).decode("utf-8", "replace")


def editor(
    request: Request, fields: Fields, texts: list[Text], *, seen: str = "",
    checked: Checked | None = None, told: str = "", status: int = 200, notes: tuple[str, ...] = (),
) -> Response:
    """Show the editor with texts."""
    site: Site = request.app.state.site
    view = site.view.now()
    row = named(view.rows.values(), texts[0].name) if fields.verb == "edit" and texts else None
    with site.desk.clone(fetch=False) as clone:
        presets = sorted(clone.rules().presets)
    return page(request, "editor.html", status, fields=fields, texts=texts, seen=seen, row=row,
                checked=checked, told=told, notes=notes, presets=presets, hosts=view.hosts)


async def again(request: Request) -> Response:
    """Show the editor with the typed text, checked; `merge` takes in what others changed."""
    form, _ = await read_act_form(request)
    fields, seen = read_fields(form), str(form.get("seen", ""))[:64]
    return await run_in_threadpool(_again, request, fields, seen, is_merged="merge" in form)


def _again(request: Request, fields: Fields, seen: str, *, is_merged: bool) -> Response:
    site: Site = request.app.state.site
    texts = [Text(name, text.replace("\r\n", "\n"))
             for name, text in zip(fields.servers, fields.texts, strict=False)]
    told, checked, status = "", None, 200
    try:
        if fields.verb == "edit" and texts:
            now = present(site, texts[0].name)
            if is_merged and COMMIT.fullmatch(fields.base):
                fields, texts[0], told = _merged(site, fields, texts[0], now)
                seen = digest(now.each.head)
            texts[0] = Text(texts[0].name, texts[0].text, state=_shown(now.each))
        checked = check(site, fields, seen)
    except ZedopsError as error:
        told, status = str(error), 409
    return editor(request, fields, texts, seen=seen, checked=checked, told=told, status=status)


def _merged(site: Site, fields: Fields, mine: Text, now: Present) -> tuple[Fields, Text, str]:
    """Take the newest version as the base of a text. A text that conflicts stays as it is."""
    content = state_block.render(mine.text, now.each.state)
    made = site.desk.merged(fields.base, now.path, content)
    head = state_block.split(made.content.decode("utf-8", "surrogateescape"))[0]
    told = "The newest version is taken in."
    if made.conflicts:
        fact = "Both changed the same lines, so your text is as you typed it"
        told = f"{fact}. The diff shows what it replaces."
    fields = Fields(**{**vars(fields), "base": made.base, "texts": (head,)})
    return fields, Text(mine.name, head), told


async def look(request: Request) -> Response:
    """Check texts while they are typed: places of problems, and the plan as a fragment."""
    form, session = await read_act_form(request)
    site: Site = request.app.state.site
    fields, seen = read_fields(form), str(form.get("seen", ""))[:64]
    try:
        async with site.checks.take(session.id):
            if await request.is_disconnected():  # a newer text is on its way
                return Response(status_code=204)
            made = await run_in_threadpool(check, site, fields, seen)
    except TooMany:
        return PlainTextResponse("too many checks at once\n", 429, {"Retry-After": "1"})
    except ZedopsError as error:
        return JSONResponse({"told": str(error), "marks": []})
    html = render(request, "_checked.html", checked=made, fields=fields)
    return JSONResponse({"html": html, "marks": [asdict(each) for each in made.marks]})


def schema(request: Request) -> Response:  # noqa: ARG001
    """Give the JSON Schema of a definition, for completion."""
    made = resources.files("zedops.spec").joinpath("schemas", "definition.json").read_bytes()
    return Response(made, media_type="application/schema+json",
                    headers={"Cache-Control": "private, max-age=3600"})


ROUTES = [
    Route("/servers/{name}/edit", edit),
    Route("/edit", again, methods=["POST"]),
    Route("/edit/check", look, methods=["POST"]),
    Route("/edit/schema", schema),
]
