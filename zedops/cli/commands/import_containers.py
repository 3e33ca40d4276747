"""`zedops import`: definitions for containers that run already."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.cli import import_secrets
from zedops.cli.completion_types import HOST
from zedops.cli.find import here
from zedops.cli.import_sources import from_compose, from_container, from_line
from zedops.cli.output import WAIT
from zedops.cli.push import act, ask
from zedops.clone.verbs import Act
from zedops.errors import InvalidInput, UsageError, ZedopsError
from zedops.fleet import checks
from zedops.fleet.fleet import Fleet
from zedops.queries.hosts import the_host
from zedops.scaffold.imported import Found, give_names, policy_lines, twice, write
from zedops.spec import document, state_block
from zedops.spec.layout import NAME


@click.command("import")
@click.argument("source", metavar="CONTAINER|COMPOSE-FILE", type=click.Path(), required=False)
@click.option("--run", "line", metavar="LINE", help="Read a `docker run …` line, in quotes.")
@click.option("--name", help="The server's name. Default: the container's or the service's.")
@click.option("--service", "services", multiple=True, help="Import only this service; repeat.")
@click.option("--profile", "profiles", multiple=True, help="Include this profile; repeat.")
@click.option("--secrets", "secrets", type=click.Choice(import_secrets.WAYS), default="ask",
              help="Values that look like secrets: ask you, store them on this host, encrypt them"
              " in the definition for its host, or keep them in git for every reader.")
@click.option("--host", type=HOST,
              help="Where it runs. Default: `defaults.host`, or the only host.")
@click.option("--print", "only_print", is_flag=True, help="Show the files, commit nothing.")
@WAIT
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def import_command(
    source: str | None, line: str | None, name: str | None, services: tuple[str, ...],
    profiles: tuple[str, ...], secrets: str, host: str | None, only_print: bool, wait: bool,
    yes: bool,
) -> None:
    """Write definitions for a container that runs, or for a compose file's services.

    zedops takes a running container over as it is, without stopping or recreating it. It translates
    each key of a compose file, or names the difference. It leaves out a service that it cannot
    translate exactly, and imports the others.

    \b
    zedops import my-zomboid --name rosewood
    zedops import ~/minecraft/docker-compose.yml --print
    zedops import --run 'docker run -d -p 25565:25565 -v mc:/data itzg/minecraft-server'
    """
    if (source is None) == (line is None):
        raise UsageError("name a container or a compose file, or give --run a line")
    clone = here()
    fleet = clone.fleet()
    where = the_host(fleet, host)
    keep = secrets == "keep"
    if line is not None:
        found = from_line(clone, where, line, keep_secrets=keep)
    elif (path := Path(source or "").expanduser()).is_file():
        found = from_compose(clone, where, path, services, profiles, keep_secrets=keep)
    elif "/" in (source or "") or (source or "").endswith((".yml", ".yaml")):
        raise UsageError(f"there is no file {source}")
    else:
        found = [from_container(clone, where, source or "", keep_secrets=keep)]
    found = _named(found, name)
    how = import_secrets.choose(found, secrets, may_ask=not (yes or only_print))
    if how == "encrypt":
        import_secrets.encrypt(fleet, found, where)
    elif how == "host":
        import_secrets.check_host(clone, found, where)
    named = (host or where) if host or not fleet.default_host else None
    texts = {each.name: _text(each, named) for each in found}
    _check(fleet, texts)
    if only_print:
        for each, text in texts.items():
            click.echo(f"# servers.d/{each}.yaml\n{text}")
    else:
        _ask_to_push(texts, yes=yes)
        if how == "host":
            import_secrets.store(clone, fleet, found, where)
        names = ", ".join(texts)
        act(clone, Act(f"{names}: import", _files(texts)), names, wait=wait and len(texts) == 1)
    if how == "ask":
        import_secrets.name_commands(found)


def _named(found: list[Found], name: str | None) -> list[Found]:
    """Name the servers; print and leave out the refused ones."""
    for each in found:
        for why in each.refused:
            click.echo(f"{each.name}: not imported: {why}", err=True)
    good = [each for each in found if not each.refused]
    if not good:
        raise ZedopsError("nothing was imported; see above")
    if name is not None and len(good) != 1:
        raise UsageError("--name is for one server; choose one with --service")
    if name is not None and not NAME.fullmatch(name):
        rule = "lower-case letters, digits and '-', at most 63, no '-' first"
        raise UsageError(f"{name!r} cannot be a server's name; use --name with {rule}")
    give_names(good, name)
    if both := twice(good):
        raise UsageError(f"two services would both be {both!r}; take one with --service")
    return good


def _text(found: Found, host: str | None) -> str:
    for each in found.notes:
        click.echo(f"{found.name}: {each}", err=True)
    if needed := policy_lines(found):
        lines = "; ".join(needed)
        fact = "its host must allow it in /etc/zedops/agent.yaml"
        click.echo(f"{found.name}: {fact}: {lines}", err=True)
    return write(found, host)


def _check(fleet: Fleet, texts: dict[str, str]) -> None:
    """Check the new definitions against every rule of a push."""
    files = _files(texts)
    if taken := [path for path in files if path in fleet.documents]:
        raise UsageError(f"{', '.join(taken)} exists already; choose another name with --name")
    parsed = {path: document.parse(path, content) for path, content in files.items()}
    if problems := checks.check(fleet.with_documents(parsed), files):
        raise InvalidInput(problems)


def _files(texts: dict[str, str]) -> dict[str, bytes]:
    return {f"servers.d/{name}.yaml": state_block.render(text, None)
            for name, text in texts.items()}


def _ask_to_push(texts: dict[str, str], *, yes: bool) -> None:
    for name, text in texts.items():
        click.echo(f"# servers.d/{name}.yaml\n{text}")
    ask(f"Push {', '.join(_files(texts))}?", yes=yes)
