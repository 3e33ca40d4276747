"""`zedops import`: definitions for what runs already."""

from __future__ import annotations

import os
from pathlib import Path

import click

from zedops import checks, document, state_block
from zedops.calls import InspectRequest, Shape
from zedops.cli.act import act, ask
from zedops.cli.ask import call
from zedops.cli.names import HOST
from zedops.cli.output import WAIT
from zedops.cli.screen import here
from zedops.clone import Clone
from zedops.compose import Project, Service, read_env_file, read_services
from zedops.draft import server_name, write_draft
from zedops.errors import HostUnavailable, InvalidInput, UsageError, ZedopsError
from zedops.fleet import Fleet
from zedops.layout import NAME
from zedops.looks import the_host
from zedops.quoting import flow

#: Networks that every container may be in.
_ENGINES_OWN = ("bridge", "default", "none")


@click.command("import")
@click.argument("source", metavar="CONTAINER|COMPOSE-FILE", type=click.Path())
@click.option("--name", help="The server's name. Default: the container's or the service's.")
@click.option("--service", "services", multiple=True, help="Only this service; repeat.")
@click.option("--host", type=HOST,
              help="Where it runs. Default: `defaults.host`, or the only host.")
@click.option("--print", "only_print", is_flag=True, help="Show the files, commit nothing.")
@WAIT
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def import_command(
    source: str, name: str | None, services: tuple[str, ...], host: str | None,
    only_print: bool, wait: bool, yes: bool,
) -> None:
    """Write definitions for a container that runs, or for a compose file's services.

    A container that runs is taken over as it is: it is not stopped, nor made anew. Its host must
    allow that: `adopt:` in its policy.

    \b
    zedops import my-zomboid --name rosewood
    zedops import ~/minecraft/docker-compose.yml --print
    """
    clone = here()
    fleet = clone.fleet()
    where = the_host(fleet, host)
    path = Path(source).expanduser()
    if path.is_file():
        found = _from_compose(clone, where, path, services)
    elif "/" in source or source.endswith((".yml", ".yaml")):
        raise UsageError(f"there is no file {source}; name a compose file, or a container")
    else:
        found = {server_name(source): (_inspect(clone, where, source), True)}
    if name is not None and len(found) != 1:
        raise UsageError("--name is for one server; choose one with --service")
    if name is not None:
        found = dict(zip([name], found.values(), strict=True))
    named = host or (None if fleet.default_host else where)
    files = {each: _draft(each, shape, named, running=running)
             for each, (shape, running) in found.items()}
    if only_print:
        for each, text in files.items():
            click.echo(f"# servers.d/{each}.yaml\n{text}")
        return
    _push(clone, fleet, files, wait=wait, yes=yes)


def _inspect(clone: Clone, host: str, container: str) -> Shape:
    reply = call(clone, host, InspectRequest(container=container), Shape)
    if reply.owner is not None:
        raise UsageError(f"{container} is a server of fleet {reply.owner!r}; see `zedops orphans`")
    return reply


def _from_compose(
    clone: Clone, host: str, path: Path, services: tuple[str, ...]
) -> dict[str, tuple[Shape, bool]]:
    """Read a compose file; a service whose container is there is read off that one."""
    folder = path.resolve().parent
    dotenv = folder / ".env"
    variables = {**(read_env_file(dotenv.read_text()) if dotenv.is_file() else {}), **os.environ}
    project = Project(
        str(folder), variables.get("COMPOSE_PROJECT_NAME", folder.name.lower()), variables,
        lambda each: (folder / each).read_text() if (folder / each).is_file() else None,
    )
    known = read_services(str(path), path.read_text(), project)
    unknown = set(services) - {each.name for each in known}
    if unknown:
        names = ", ".join(each.name for each in known)
        raise UsageError(f"no service {', '.join(sorted(unknown))}; there are {names}")
    chosen = [each for each in known if not services or each.name in services]
    return {server_name(each.name): _best(clone, host, each) for each in chosen}


def _best(clone: Clone, host: str, service: Service) -> tuple[Shape, bool]:
    for container in service.containers:
        try:
            return _inspect(clone, host, container), True
        except HostUnavailable as error:
            click.echo(f"{service.name}: read off the file alone: {error}", err=True)
            break
        except ZedopsError:
            continue  # no container of that name
    return service.shape, False


def _draft(name: str, shape: Shape, host: str | None, *, running: bool) -> str:
    if not NAME.fullmatch(name):
        rule = "lower-case letters, digits and '-', at most 63, no '-' first"
        raise UsageError(f"{name!r} cannot be a server's name; use --name with {rule}")
    draft = write_draft(shape, host=host, adopt=shape.name if running else None)
    for each in draft.warnings:
        click.echo(f"{name}: {each}", err=True)
    if needed := _policy_lines(shape, running=running):
        lines = "; ".join(needed)
        click.echo(f"{name}: its host must allow it in /etc/zedops/agent.yaml: {lines}", err=True)
    return draft.text


def _policy_lines(shape: Shape, *, running: bool) -> list[str]:
    """Name what a host allows nobody by itself and this container needs."""
    needed = {
        "adopt": [shape.name] if running else [],
        "bind_roots": [each.source for each in shape.mounts],
        "networks": [each for each in shape.networks if each not in _ENGINES_OWN],
    }
    return [f"`{key}: {flow(values)}`" for key, values in needed.items() if values]


def _push(
    clone: Clone, fleet: Fleet, texts: dict[str, str], *, wait: bool, yes: bool
) -> None:
    files = {f"servers.d/{name}.yaml": state_block.render(text, None)
             for name, text in texts.items()}
    if taken := [path for path in files if path in fleet.documents]:
        raise UsageError(f"{', '.join(taken)} exists already; choose another name with --name")
    parsed = {path: document.parse(path, content) for path, content in files.items()}
    if problems := checks.check(fleet.with_documents(parsed), files):
        raise InvalidInput(problems)
    for name, text in texts.items():
        click.echo(f"# servers.d/{name}.yaml\n{text}")
    ask(f"Push {', '.join(files)}?", yes=yes)
    names = ", ".join(texts)
    for_one = wait and len(texts) == 1
    act(clone, files, f"{names}: import", names, wait=for_one)
