"""Remembers which upstream changes are held back, and which definitions go on in their place.

A restart loses nothing. Git has the last applied definition at the commit that the server's state
names, and the hub's configuration has the fleet's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from zedops.errors import GitFailed, Problem
from zedops.fleet.fleet import Fleet, read_settings
from zedops.fleet.last_good import Held, judge, suspects
from zedops.git.objects import NO_OBJECT, FileChange
from zedops.hub.hub import Hub
from zedops.manager.state import Ledger
from zedops.spec.document import Document, parse
from zedops.spec.layout import SETTINGS_PATH
from zedops.spec.settings import Settings

_NAME = "zedops.fleet"
#: The judge searches this many versions of zedops.yaml for a readable one.
_VERSIONS = 50


class Judge:
    """Holds back changes of one fleet. Not thread-safe: the loop holds one lock around it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._held: Mapping[str, Held] = {}
        #: All problems of the last fleet that was taken in.
        self.problems: tuple[Problem, ...] = ()

    def take_in(
        self,
        ledger: Ledger,
        new: Fleet,
        changes: Iterable[FileChange],
        commits: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Take a newer fleet into the ledger, without the changes that are held back."""
        changed = {change.path for change in changes}
        before = ledger.fleet
        if any(each.path == SETTINGS_PATH and each.after is None for each in changes):
            remedy = "bring it back; it may be as short as its name"
            fact = "was removed: every server depends on it"
            new = replace(new, problems=(Problem(SETTINGS_PATH, 0, 0, "", fact, remedy),))
        options: tuple[str, ...] = ()
        if before.commit:
            options = self._hub.history.confirmed_deletions(before.commit, new.commit)
        else:
            before, changed = self._begin(ledger, new, commits, now)
        verdict = judge(before, new, changed, self._held, commits, options, now)
        fleet = verdict.fleet
        if not before.commit:
            again = {path: fleet.documents[path] for path in changed if path in fleet.documents}
            fleet = replace(ledger.fleet, commit=new.commit, problems=fleet.problems)
            fleet = fleet.with_documents(again)
        self._held, self.problems = verdict.held, verdict.problems
        ledger.advance(fleet, verdict.judged | changed, {**commits, **verdict.commits}, now)
        if ledger.fleet.documents:
            self._hub.configuration.remember(_NAME, ledger.settings.name)

    def _begin(
        self, ledger: Ledger, new: Fleet, commits: Mapping[str, str], now: datetime
    ) -> tuple[Fleet, set[str]]:
        """Load the fleet as it was before this start; returns it and the paths held back."""
        settings = self._settings(new)
        sound = replace(new, settings=settings, problems=())
        everything = set(new.documents)
        held = judge(sound, sound, everything, {}, {}, (), now).held.keys() | suspects(sound)
        good = {path: self._applied(new.documents[path]) for path in held}
        before = sound.with_documents(good)
        asked = {path: commit for path, commit in commits.items() if path not in held}
        ledger.advance(before, everything, asked, now)
        lost = settings != new.settings or new.problems
        changed = set(held) | ({SETTINGS_PATH} if lost else set())
        return replace(before, commit=""), changed

    def _applied(self, each: Document) -> Document:
        """Read the last applied definition of a server; without one the document has none."""
        nothing = replace(each, definition=None)
        if each.state is None or each.state.commit is None:
            return nothing
        try:
            content = self._hub.repository.pipe(
                "show", "--end-of-options", f"{each.state.commit}:{each.path}"
            )
        except GitFailed:
            return nothing  # the file was renamed since, or that history is gone
        was = parse(each.path, content)
        silent = each.state.model_copy(update={"message": None})
        return replace(was, state=silent) if was.definition else nothing

    def _settings(self, new: Fleet) -> Settings:
        """Find the newest settings without problems that keep the fleet's name."""
        name = self._hub.configuration.recall(_NAME)
        if not new.problems and name in (None, new.settings.name):
            return new.settings
        log = self._hub.repository.run(
            "log", f"--max-count={_VERSIONS}", "--format=%H", "--end-of-options", new.commit,
            "--", SETTINGS_PATH
        )
        for commit in log.split():
            entry = self._hub.repository.tree(commit, SETTINGS_PATH).get(SETTINGS_PATH)
            if entry is None or entry.blob == NO_OBJECT:
                continue
            content = self._hub.repository.objects.blobs([entry.blob])[entry.blob]
            settings, problems = read_settings(content, self._hub.default_name)
            if not problems and name in (None, settings.name):
                return settings
        return new.settings.model_copy(update={"name": name}) if name else new.settings
