"""`zedops web`: a login link of the web page, share links, and the page's own secrets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from zedops.cli.completion_types import SERVER
from zedops.control import client
from zedops.errors import UsageError

FLEET = click.argument(
    "fleet", type=click.Path(path_type=Path, exists=True, file_okay=False), default="."
)


class _Web(click.Group):
    """Takes `zedops web FLEET` for `zedops web open FLEET`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `open` before a fleet and the options of a login."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["open", *args]
        return super().parse_args(ctx, args)


@click.group("web", cls=_Web)
def web_command() -> None:
    """Print a link that opens the fleet's web page, logged in as you, once within 10 minutes.

    `zedops up` and `zedops manager` serve the page. On a desktop this opens a browser.

    \b
    zedops web
    zedops web share --for 24h          a link to look, without a login
    ssh -L 8484:127.0.0.1:8484 HOST     from another machine: then open the link there
    """


@web_command.command("open")
@FLEET
@click.option("--print", "only_print", is_flag=True, help="Do not open a browser.")
@click.option("--end-sessions", is_flag=True, help="Log every person out, everywhere.")
def open_command(fleet: Path, only_print: bool, end_sessions: bool) -> None:
    """Print a link that opens the fleet's web page. `open` may be left out."""
    from zedops.cli.web_options import whoami

    hub = _hub(fleet)
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


@web_command.command("share")
@FLEET
@click.option("--for", "within", default="24h", show_default=True, metavar="TIME",
              help="How long the link works, at most 30d.")
@click.option("--server", type=SERVER, help="Show this server only.")
@click.option("--revoke-all", is_flag=True, help="End all share links, at once.")
def share_command(fleet: Path, within: str, server: str | None, revoke_all: bool) -> None:
    """Print a link that shows servers and their status to any person who has it, until it ends.

    It shows names, statuses and ports: no logs, no definitions, no messages, and no acts.

    \b
    zedops web share --for 24h
    zedops web share --for 7d --server rosewood
    """
    hub = _hub(fleet)
    if revoke_all:
        from zedops.web import session_key

        session_key.change(hub / "zedops" / "web", session_key.SHARES)
        click.echo("all share links of the web page ended")
        return
    from zedops.cli.web_options import whoami
    from zedops.spec.quantities import parse_duration

    try:
        for_s = parse_duration(within)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error
    asked = {"do": "web-share", "email": whoami(fleet)[1], "server": server, "for_s": for_s}
    click.echo(client.ask_hub(hub, asked, lambda _: None)["link"])


@web_command.command("oidc-secret")
@FLEET
def oidc_secret_command(fleet: Path) -> None:
    """Keep the secret by which the OpenID provider of `web.oidc` knows this page.

    It stays in a file on the manager's machine. It belongs to this provider and client alone.

    \b
    zedops web oidc-secret < FILE
    """
    from zedops.web import openid_secret

    hub = _hub(fleet)
    oidc = client.ask_hub(hub, {"do": "web-rules"}, lambda _: None)["web"].get("oidc")
    if not oidc:
        remedy = "write `web: {oidc: {issuer: …, client_id: …}}` and push"
        raise UsageError(f"zedops.yaml names no OpenID provider; {remedy}")
    if sys.stdin.isatty():
        secret = str(click.prompt("secret", hide_input=True))
    else:
        secret = sys.stdin.read(10_000)
    if not secret.strip():
        raise UsageError("the secret is empty; nothing was changed")
    openid_secret.keep(hub / "zedops" / "web", oidc["issuer"], oidc["client_id"], secret.strip())
    click.echo(f"kept the secret for {oidc['issuer']}")


def _hub(fleet: Path) -> Path:
    if (near := client.near(fleet)) is not None:
        return near
    from zedops.clone.clone import Clone
    from zedops.hub.hub import Hub

    hub = fleet if Hub.is_hub(fleet) else Clone.find(fleet).origin.hub_path()
    if hub is None:
        fact = "the hub of this clone is on another machine"
        raise UsageError(f"{fact}; run this command there, in a clone or with the hub's path")
    return hub
