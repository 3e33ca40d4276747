"""`zedops new`: a first definition."""

from __future__ import annotations

import click

from zedops import checks, document
from zedops.cli.act import act, waits
from zedops.cli.screen import here
from zedops.errors import InvalidInput, UsageError
from zedops.fields import NAME


@click.command("new")
@click.argument("server")
@click.option("--image", required=True, help="The image to run.")
@click.option("--host", help="Where to run it. Default: the fleet's only host.")
@click.option("-p", "--port", "ports", multiple=True, help="e.g. 16261/udp or 8080:80; repeat.")
@click.option("-v", "--volume", "volumes", multiple=True, help="A path to keep: /data; repeat.")
@click.option("-e", "--env", "env", multiple=True, help="KEY=VALUE; repeat.")
@click.option("--print", "only_print", is_flag=True, help="Show the file, commit nothing.")
@waits
def new_command(
    server: str,
    image: str,
    host: str | None,
    ports: tuple[str, ...],
    volumes: tuple[str, ...],
    env: tuple[str, ...],
    only_print: bool,
    wait: bool,
) -> None:
    """Write a definition and push it: the server starts.

    \b
    zedops new hello --image nginx -p 8080:80
    zedops new mine --image itzg/minecraft-server -p 25565 -v /data -e EULA=TRUE --wait
    """
    if not NAME.fullmatch(server):
        rule = "lower-case letters, digits and '-', at most 63, no '-' first"
        raise UsageError(f"{server!r} cannot be a server's name; use {rule}")
    text = _definition(image, host, ports, volumes, env)
    path = f"servers.d/{server}.yaml"
    content = document.render(text, None)
    if only_print:
        click.echo(content.decode(), nl=False)
        return
    clone = here()
    known = clone.fleet()
    if path in known.documents:
        raise UsageError(f"{path} exists already; edit it, or choose another name")
    made = known.with_documents({path: document.parse(path, content)})
    if problems := checks.check(made, {path}):
        raise InvalidInput(problems)
    act(clone, {path: content}, f"{server}: new", server, wait=wait)


def _definition(
    image: str,
    host: str | None,
    ports: tuple[str, ...],
    volumes: tuple[str, ...],
    env: tuple[str, ...],
) -> str:
    lines = [*([f"host: {host}"] if host else []), f"image: {image}"]
    if ports:
        keys = ["game" if at == 0 else f"port{at + 1}" for at in range(len(ports))]
        lines += ["ports:", *(f'  {k}: "{p}"' for k, p in zip(keys, ports, strict=True))]
    if volumes:
        keys = ["world" if at == 0 else f"volume{at + 1}" for at in range(len(volumes))]
        lines += ["volumes:", *(f"  {k}: {v}" for k, v in zip(keys, volumes, strict=True))]
    if env:
        pairs = [each.partition("=") for each in env]
        lines += ["env:", *(f"  {key}: {_quoted(value)}" for key, _, value in pairs)]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
