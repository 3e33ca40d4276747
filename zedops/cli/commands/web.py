"""`zedops web`: a login link of the web page."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import click

from zedops.control import client
from zedops.errors import UsageError


@click.command("web")
@click.argument("fleet", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--print", "only_print", is_flag=True, help="Do not open a browser.")
@click.option("--end-sessions", is_flag=True, help="Log every person out, everywhere.")
def web_command(fleet: Path, only_print: bool, end_sessions: bool) -> None:
    """Print a link that opens the fleet's web page, logged in as you, once within 10 minutes.

    `zedops up` and `zedops manager` serve the page. On a desktop this opens a browser.

    \b
    zedops web
    ssh -L 8484:127.0.0.1:8484 HOST     from another machine: then open the link there
    """
    from zedops.cli.web_options import whoami

    hub = client.near(fleet) or _hub(fleet)
    if end_sessions:
        from zedops.web import session_key

        session_key.change(hub / "zedops" / "web")
        click.echo("all sessions of the web page ended")
        return
    name, email = whoami(fleet)
    asked = {"do": "web-link", "name": name, "email": email}
    link = str(client.ask_hub(hub, asked, lambda _: None)["link"])
    click.echo(link)
    if not name or not email:
        remedy = "`git config --global user.name NAME` and `… user.email ADDRESS`"
        click.echo(f"git does not know who you are, so the page only shows: {remedy}", err=True)
    opener = shutil.which("xdg-open") or shutil.which("open")
    on_desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if opener and on_desktop and not only_print:
        subprocess.Popen([opener, link], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _hub(fleet: Path) -> Path:
    from zedops.clone.clone import Clone
    from zedops.hub.hub import Hub

    hub = fleet if Hub.is_hub(fleet) else Clone.find(fleet).origin.hub_path()
    if hub is None:
        fact = "the hub of this clone is on another machine"
        raise UsageError(f"{fact}; run this command there, in a clone or with the hub's path")
    return hub
