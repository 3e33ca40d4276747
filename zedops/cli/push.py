"""The steps that all acts share: ask, commit, push, wait."""

from __future__ import annotations

from collections.abc import Sequence

import click

from zedops.cli.waiting import wait_for_all
from zedops.clone.clone import Clone
from zedops.clone.verbs import Act
from zedops.errors import Interrupted


def ask(question: str, *, yes: bool) -> None:
    """Ask for confirmation; `--yes` skips the question."""
    if not yes:
        click.confirm(question, abort=True)


def act(
    clone: Clone, made: Act, *names: str, wait: bool, ends: bool = False,
    also: Sequence[str] = (),
) -> None:
    """Commit and push; with `wait`, wait until every named server is at rest.

    `ends`: the act removes the servers, so that deleted or purged is a success. `also`: servers
    that need no commit, and are waited for as well.
    """
    commit = clone.act(made.files, made.message, made.options)
    if wait:
        waited: dict[str, str | None] = {**dict.fromkeys(also), **dict.fromkeys(names, commit)}
        try:
            wait_for_all(clone, waited, ends=ends)
        except KeyboardInterrupt:
            subject, look = made.message.partition("\n")[0], "`zedops list` shows how far it is"
            raise Interrupted(f"{subject}: pushed, and goes on without you; {look}") from None
