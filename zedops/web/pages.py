"""Templates: every page is made here, with autoescape on and no value marked as safe.

A new page: a module with `ROUTES`, named in `app.PAGES`; templates that extend `base.html`; its
link, if it belongs into the menu, in `MENU`.
"""

from __future__ import annotations

import functools
import gzip
from datetime import UTC, datetime
from hashlib import sha256
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse

from zedops import __version__
from zedops.queries.offers import SEVERAL, going_on, offers
from zedops.queries.overview import TROUBLE, first_line
from zedops.spec.quantities import format_duration, format_size
from zedops.web import languages
from zedops.web.rules import may_push, rights_of
from zedops.web.sessions import who

#: A table of 100 servers shrinks from 120 KB to 8, in 2 ms.
_SMALL, _LEVEL = 2000, 4
#: The menu: (title, path).
MENU = [("Servers", "/"), ("Logs", "/logs"), ("Timeline", "/timeline")]


def page(request: Request, template: str, status: int = 200, **facts: Any) -> HTMLResponse:
    """Make an answer from a template; `render` says what it always has."""
    headers = {"Vary": "Accept-Language, Accept-Encoding", "Content-Language": language(request)}
    answer = HTMLResponse(render(request, template, **facts), status, headers)
    if len(answer.body) > _SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        answer.body = gzip.compress(answer.body, _LEVEL, mtime=0)
        answer.headers["Content-Length"] = str(len(answer.body))
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def render(request: Request, template: str, **facts: Any) -> str:
    """Make text for a request; each template has the facts that are named first here."""
    site, session = request.app.state.site, who(request)
    rights = rights_of(request)
    lang = language(request)
    return environment(lang).get_template(template).render(
        lang=lang, of_scripts=languages.of_scripts(lang), site=site, session=session, rights=rights,
        path=request.url.path, menu=MENU,
        form_token=site.sessions.token(session) if session else "",
        may_act=may_act(request), **facts,
    )


def may_act(request: Request) -> bool:
    """Say whether the page offers acts to the person of a request; the gate decides."""
    session = who(request)
    return bool(session and session.person.is_known and may_push(request))


def fragment(template: str, lang: str, **facts: Any) -> str:
    """Make text that is the same for every reader of a language."""
    return environment(lang).get_template(template).render(**facts)


def language(request: HTTPConnection) -> str:
    """Choose the language of a request."""
    return languages.choose(request.headers.get("Accept-Language", ""))


@functools.cache
def environment(lang: str) -> Environment:
    """Load the templates' environment of a language."""
    made = Environment(
        extensions=[languages.Translate],
        loader=PackageLoader("zedops.web"), autoescape=select_autoescape(default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    made.extend(language=lang)
    made.globals |= {
        "_": languages.sayer(lang),
        "static": static, "version": __version__, "trouble": TROUBLE, "offers": offers,
        "going_on": going_on, "several": SEVERAL,
    }
    made.filters |= {
        "ago": ago, "is_past": is_past, "size": format_size, "first_line": first_line,
        "path": lambda text: quote(str(text), safe=""),
        "query": _query, "number": languages.number(lang),
    }
    return made


def _query(facts: Any) -> str:
    return urlencode(facts, doseq=True)


def ago(at: str | None) -> str:
    """Say how long ago a time was; empty without one."""
    if not at:
        return ""
    gone_s = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    return format_duration(max(0.0, gone_s))


def is_past(at: str) -> bool:
    """Say whether a time has passed."""
    return datetime.fromisoformat(at) < datetime.now(UTC)


@functools.cache
def static(name: str) -> str:
    """Give the path of a static file: it changes with the content, so browsers may keep it."""
    content = resources.files("zedops.web").joinpath("static", name).read_bytes()
    return f"/static/{name}?v={sha256(content).hexdigest()[:12]}"
