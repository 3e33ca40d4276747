"""`zedops new`: a first definition."""

from __future__ import annotations

import click

from zedops.cli.commands.schema import first_line
from zedops.cli.completion_types import GAME, HOST
from zedops.cli.find import here
from zedops.cli.first_secrets import provide
from zedops.cli.free_ports import taken_by_others
from zedops.cli.from_backup import find
from zedops.cli.output import WAIT
from zedops.cli.push import act
from zedops.clone.clone import Clone
from zedops.clone.verbs import Act
from zedops.errors import InvalidInput, UsageError, ZedopsError
from zedops.fleet import checks
from zedops.fleet.fleet import Fleet
from zedops.fleet.ports import free_set
from zedops.queries.hosts import the_host
from zedops.scaffold.preset import ports_of, write_plain, write_start
from zedops.spec import document, state_block
from zedops.spec.layout import NAME
from zedops.spec.preset import Preset


@click.command("new")
@click.argument("server")
@click.option("--game", type=GAME, help="A preset: minecraft, project-zomboid, valheim, …")
@click.option("--image", help="The image to run. Required without --game.")
@click.option("--host", type=HOST,
              help="Where to run it. Default: `defaults.host`, or the only host.")
@click.option("-p", "--port", "ports", multiple=True, help="A port: 16261/udp or 8080:80; repeat.")
@click.option("-v", "--volume", "volumes", multiple=True, help="A path to keep: /data; repeat.")
@click.option("-e", "--env", "env", multiple=True, help="KEY=VALUE; repeat.")
@click.option("--from-backup", metavar="SERVER[@SNAPSHOT]",
              help="Begin with a snapshot of a server, also of one that is gone.")
@click.option("--print", "only_print", is_flag=True, help="Show the file, commit nothing.")
@WAIT
def new_command(
    server: str,
    game: str | None,
    image: str | None,
    host: str | None,
    ports: tuple[str, ...],
    volumes: tuple[str, ...],
    env: tuple[str, ...],
    from_backup: str | None,
    only_print: bool,
    wait: bool,
) -> None:
    """Write a definition and push it: the server starts.

    With --game, it moves the preset's ports to free ones, and asks for the preset's secrets.
    Ctrl-C at a question changes nothing. After the push the server goes on.

    \b
    zedops new rosewood --game project-zomboid
    zedops new hello --image nginx -p 8080:80
    zedops new copy --from-backup rosewood@4bba301e
    zedops new mine --image itzg/minecraft-server -p 25565 -v /data -e EULA=TRUE --wait
    """
    if not NAME.fullmatch(server):
        rule = "lower-case letters, digits and '-', at most 63, no '-' first"
        raise UsageError(f"{server!r} cannot be a server's name; use {rule}")
    if game is None and image is None and from_backup is None:
        raise UsageError("a server needs --game minecraft, say, or --image registry/name:tag")
    if game is not None and (ports or volumes):
        raise UsageError("a preset has ports and volumes of its own; change them in the file")
    clone = None if only_print and game is None and from_backup is None else here()
    origin = find(clone, clone.fleet(), from_backup) if clone and from_backup else None
    if origin is not None and game is None and image is None:
        text = origin.head()
    elif clone is not None and game is not None:
        text = _from_preset(clone, server, game, image, host, env)
    else:
        text = write_plain(image or "", host, ports, volumes, env)
    text += origin.acts() if origin is not None else ""
    path = f"servers.d/{server}.yaml"
    first = first_line(clone.root, text) if clone else ""
    content = state_block.render(first + text, None)
    if only_print or clone is None:
        click.echo(content.decode(), nl=False)
        return
    known = clone.fleet()
    if path in known.documents:
        raise UsageError(f"{path} exists already; edit it, or choose another name")
    made = known.with_documents({path: document.parse(path, content)})
    if problems := checks.check(made, {path}):
        raise InvalidInput(problems)
    if game is not None and (wanted := known.presets[game].data.get("secrets")):
        provide(clone, known.settings.name, the_host(known, host), server, wanted)
    act(clone, Act(f"{server}: new", {path: content}), server, wait=wait)


def _from_preset(
    clone: Clone,
    server: str,
    game: str,
    image: str | None,
    host: str | None,
    env: tuple[str, ...],
) -> str:
    """Write a definition that names a preset, its ports moved to free ones."""
    fleet = clone.fleet()
    preset = _preset(fleet, game)
    where = the_host(fleet, host)
    declared = ports_of(preset)
    found = free_set(taken_by_others(clone, fleet, where, None), declared) if declared else {}
    if declared and not found:
        remedy = "`zedops ports` shows who has them"
        raise ZedopsError(f"{game}: no free set of {len(declared)} ports on {where}; {remedy}")
    named = host or (None if fleet.default_host else where)
    pairs = dict(each.partition("=")[::2] for each in env)
    return write_start(server, preset, found, host=named, image=image, env=pairs)


def _preset(fleet: Fleet, game: str) -> Preset:
    preset = fleet.presets.get(game)
    if preset is None:
        names = ", ".join(sorted(fleet.presets))
        raise UsageError(f"there is no preset {game!r}; known: {names}")
    if preset.problems:
        raise InvalidInput(preset.problems)
    return preset
