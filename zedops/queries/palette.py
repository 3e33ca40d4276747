"""What a palette suggests for a few words: servers, acts on them, pages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from zedops.queries.offers import offers
from zedops.queries.overview import FleetRow

#: The most suggestions: more can be told apart by one more letter.
MOST = 12
_SERVERS = 6


@dataclass(frozen=True)
class Suggestion:
    """One line of the palette."""

    title: str
    about: str  #: what is beside it: a status, a kind
    href: str
    is_act: bool = False  #: `href` is the dialog of an act


def suggest(
    rows: Iterable[FleetRow], pages: Sequence[tuple[str, str]], text: str, *, may_act: bool,
    say: Callable[[str], str] = str,
) -> list[Suggestion]:
    """Suggest for words: each word fits the server's name, or the name of an act or page.

    `say` translates titles of acts and pages; words fit these and the English ones.
    """
    words = text.casefold().split()
    found = [Suggestion(say(title), "", path) for title, path in pages
             if _fit(words, f"{title} {say(title)}")]
    ranked = sorted(((rank, each.is_deleted, each.name, each) for each in rows
                     if (rank := _rank(each, words, say)) is not None), key=lambda one: one[:3])
    if not words:
        return found[:MOST]
    servers: list[Suggestion] = []
    for _, _, _, each in ranked[:_SERVERS]:
        if _fit(words, _about(each)):
            query = "?deleted=1" if each.is_deleted else ""
            href = f"/servers/{quote(each.name, safe='')}{query}"
            servers.append(Suggestion(each.name, each.status, href))
        if may_act:
            servers += [
                Suggestion(f"{say(offer.label)} {each.name}", each.status, _act(each, offer.verb),
                           is_act=offer.verb != "edit")
                for offer in offers(each)
                if _fit(words, f"{offer.label} {offer.verb} {say(offer.label)} {_about(each)}")
            ]
    return [*servers, *found][:MOST]


def _act(each: FleetRow, verb: str) -> str:
    if verb == "edit":
        return f"/servers/{quote(each.name, safe='')}/edit"
    return f"/act?{urlencode([('verb', verb), ('server', each.name)])}"


def _rank(each: FleetRow, words: Sequence[str], say: Callable[[str], str]) -> int | None:
    """Rank a server, the best first: its name, its beginning, a part of it. None: it fits not."""
    verbs = " ".join(f"{one.label} {one.verb} {say(one.label)}" for one in offers(each))
    if not words or not _fit(words, f"{_about(each)} {verbs}"):
        return None
    name = each.name.casefold()
    if name in words:
        return 0
    if any(name.startswith(word) for word in words):
        return 1
    return 2 if any(word in name for word in words) else None


def _about(each: FleetRow) -> str:
    return f"{each.name} {each.folder} {each.host or ''}"


def _fit(words: Sequence[str], said: str) -> bool:
    lower = said.casefold()
    return all(word in lower for word in words)
