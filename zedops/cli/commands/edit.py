"""`zedops edit`: a definition in the person's editor, checked and pushed when it is closed."""

from __future__ import annotations

import os

import click

from zedops.cli.act_plan import plan_of, show
from zedops.cli.completion_types import SERVER
from zedops.cli.edited_text import EditedText
from zedops.cli.find import here, one_server
from zedops.cli.output import WAIT, printable
from zedops.cli.waiting import wait_for
from zedops.clone import rebase
from zedops.clone.act import check_author
from zedops.clone.checkout import REMOTE_MAIN
from zedops.clone.clone import Clone
from zedops.clone.verbs import Act
from zedops.errors import UsageError, ZedopsError
from zedops.spec import state_block
from zedops.spec.document import Document


@click.command("edit")
@click.argument("server", type=SERVER)
@click.option("-m", "--message", help="The commit's message. Default: `NAME: edit`.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before the push.")
@WAIT
def edit_command(server: str, message: str | None, yes: bool, wait: bool) -> None:
    """Open a definition in $VISUAL or $EDITOR; check it, show the plan, commit and push.

    An editor that fails, or a text that stays the same, changes nothing. A text that is refused
    or not pushed stays in a file, which is named.

    \b
    zedops edit rosewood
    EDITOR="code --wait" zedops edit rosewood -m "more memory"
    """
    clone = here()
    check_author(clone.repository)
    _, each = one_server(clone, server)
    if not each.is_read:
        raise UsageError(f"{each.path} is no text that can be edited; see `zedops show {server}`")
    base = clone.at(REMOTE_MAIN)
    text = EditedText(each.name, each.head)
    try:
        made = _edited(clone, each, text, message or f"{server}: edit")
        if made is None:
            click.echo(f"{server} is unchanged")
            text.remove()
            return
        if not (yes or _confirms("Commit and push?", default=True)):
            raise ZedopsError("nothing is pushed")
        final = _on_tip(clone, base, made)
        commit = clone.act(final.files, final.message, final.options)
    except (ZedopsError, KeyboardInterrupt, click.Abort) as error:
        if not text.is_changed():
            text.remove()
            raise
        click.echo(f"your text is kept in {text.path}", err=True)
        if isinstance(error, ZedopsError):
            raise
        raise click.Abort from None
    text.remove()
    if wait:
        wait_for(clone, server, commit)


def _edited(clone: Clone, each: Document, text: EditedText, message: str) -> Act | None:
    """Let the person edit until a push would take it; show the plan. None if nothing changed."""
    while True:
        text.open(_editor(clone))
        if not text.is_changed():
            return None
        made = Act(message, {each.path: state_block.render(text.read(), each.state)})
        said = plan_of(clone, made)
        show(said, "the change has no effect on any server")
        if not said.problems:
            return made
        if not _confirms("Edit again?", default=True):
            raise ZedopsError(f"{each.name} is not changed: a push would be refused")


def _editor(clone: Clone) -> str:
    """Name the editor: of the environment, else git's own choice."""
    said = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    return said or clone.repository.run("var", "GIT_EDITOR")


def _confirms(question: str, *, default: bool) -> bool:
    """Ask; where no answer can come, the answer is no."""
    try:
        return click.confirm(printable(question), default=default, err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def _on_tip(clone: Clone, base: str, made: Act) -> Act:
    """Merge an edit into what came while the editor was open. InvalidInput names conflicts."""
    clone.fetch()
    files = rebase.rebase(clone.repository, base, clone.at(REMOTE_MAIN), made.files)
    return Act(made.message, files, made.options)
