"""What `--json` prints is what the reference says, command by command."""

from __future__ import annotations

import json

import docker
import pytest
from click.testing import CliRunner

from tests.machine import Machine, free_port
from tests.shapes import fits
from tests.system.servers import LOOP, begin, command, write
from zedops.cli import command_index
from zedops.cli.main import cli
from zedops.hub.hub import Hub
from zedops.queries.output import SHAPES

pytestmark = [pytest.mark.docker, pytest.mark.system]

#: What is asked, by what the reference calls it.
ASKED = {
    "list": ["list"],
    "show SERVER": ["show", "rosewood"],
    "show SERVER --resolved": ["show", "rosewood", "--resolved"],
    "status": ["status"],
    "status SERVER": ["status", "muldraugh"],
    "history": ["history"],
    "stats": ["stats"],
    "data": ["data"],
    "plan": ["plan"],
    "diff": ["diff"],
    "ports": ["ports"],
    "ports --free N": ["ports", "--free", "2"],
    "ports --for SERVER": ["ports", "--for", "rosewood"],
    "orphans": ["orphans"],
    "validate": ["validate"],
    "doctor": ["doctor"],
    "host list": ["host", "list"],
    "secret list": ["secret", "list"],  # of another data root than the usual one
}
#: Need a manager that serves other hosts, or restic; looked at where these are.
ELSEWHERE = {"host add HOST", "backups"}


def test_every_command_with_json_is_in_the_reference() -> None:
    options = {words: [name for each in known["params"] for name in each.get("options", ())]
               for words, known in command_index.read().items()}
    with_json = {words for words, names in options.items() if "--json" in names}
    told = {" ".join(word for word in name.split()
                     if word.islower() and not word.startswith("-")) for name in SHAPES}
    assert with_json == told
    assert SHAPES.keys() == ASKED.keys() | ELSEWHERE


def test_every_output_has_the_shape_that_the_reference_says(
    fleet: Machine, docker_api: docker.APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(fleet, "rosewood", command(LOOP), f"ports: {{game: {free_port()}/udp}}",
          "limits: {pids: 64}")
    write(fleet, "guarded", "secrets: [TOKEN]", "desired: stopped")
    fleet.push("guarded: begin")
    begin(fleet, "muldraugh", command(LOOP))
    fleet.zedops("delete", "muldraugh", "--yes", "--wait")
    stray = docker_api.create_container(fleet.image, labels={
        "zedops.fleet": fleet.fleet, "zedops.server.id": "0" * 26, "zedops.server.name": "stray",
        "zedops.hub": Hub(fleet.hub).identity(),
    })
    try:
        fleet.write("servers.d/broken.yaml", "image: [\n")
        text = (fleet.clone / "servers.d/rosewood.yaml").read_text()
        fleet.write("servers.d/rosewood.yaml", text.replace("pids: 64", "pids: 65"))
        monkeypatch.chdir(fleet.clone)
        empty: set[str] = set()
        for name, asked in ASKED.items():
            place = ["--data-root", str(fleet.data_root)] if name == "secret list" else []
            # within this process: to start each command would take longer than all the rest
            done = CliRunner().invoke(cli, [*asked, *place, "--json"])
            assert done.exit_code in (0, 1), (asked, done.output)
            said = json.loads(done.stdout)
            fits(name, said)
            empty |= {name} if not said else set()
        assert empty == set(), "nothing was said, so nothing was seen"
    finally:
        docker_api.remove_container(stray["Id"], force=True)
