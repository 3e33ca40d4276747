"""What a person gets who mistypes, and with which exit code. No manager runs here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zedops.spec.document import parse

pytestmark = pytest.mark.xdist_group("command-line")  # one fleet is enough


def zedops(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line with nobody to answer its questions."""
    return subprocess.run(
        [sys.executable, "-m", "zedops", *arguments], cwd=cwd, capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL, timeout=120,
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a fleet with one server that nobody has taken up."""
    folder = tmp_path_factory.mktemp("line")
    assert zedops("init", "fleet", cwd=folder).returncode == 0
    made = zedops("new", "rosewood", "--image", "a", cwd=folder / "fleet")
    assert made.returncode == 0, made.stderr
    return folder / "fleet"


def test_a_new_definition_keeps_each_character_of_its_variables(clone: Path) -> None:
    value = "one\n  two: 'three' \\ \"four\""
    made = zedops("new", "quoted", "--image", "a", "--env", f"MOTD={value}", cwd=clone)
    assert made.returncode == 0, made.stderr
    document = parse("servers.d/quoted.yaml", (clone / "servers.d/quoted.yaml").read_bytes())
    assert document.definition is not None, document.problems
    assert document.definition.env == {"MOTD": value}


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("lst", 2, "no command 'lst'; did you mean 'list'?"),
        ("xyzzy", 2, "no command 'xyzzy'; `zedops --help` lists them\n"),
        ("ps", 2, "no command 'ps'; did you mean 'list'?"),
        ("rm rosewood", 2, "no command 'rm'; did you mean 'delete'?"),
        ("down", 2, "no command 'down'; did you mean 'stop'?"),
        ("set rosewood", 2, "no command 'set'; did you mean 'edit'?"),
        ("config rosewood", 2, "edit zedops.yaml, then `git commit -a` and `git push`"),
        ("stop", 2, "no server named; name servers or a folder (attic/), or say --all, --host"),
        ("stop --all rosewood", 2, "--all leaves nothing for rosewood to add; say one of the two"),
        ("stop attic/", 2, "no server fits attic/; `zedops list --all` lists all"),
        ("delete --host cellar --yes", 2, "no server fits --host cellar; "),
        ("stop --label team=blue", 2, "no server fits --label team=blue; "),
        ("stop rosewood nobody", 2, "no server 'nobody'; `zedops list --all` lists all"),
        ("restart rosewood --host cellar", 2, "rosewood does not fit --host cellar; "),
        ("restore --all", 2, "no server fits --all; "),
        ("exec -it rosewood bash", 2, "-it needs a terminal; leave it out in a script or pipe"),
        ("exec rosewood -it", 2, "-it needs a terminal; leave it out in a script or pipe"),
        ("logs rosewood --since soon", 2, "--since soon: neither a duration nor a time; "),
        ("up rosewood", 2, "'rosewood' is a server of this fleet; did you mean `zedops start"),
        ("start rosewood", 0, ""),
        ("plan nobody", 2, "no server 'nobody'; `zedops list --all` lists all"),
        ("show rosewod", 2, "no server 'rosewod'; did you mean 'rosewood'?"),
        ("show", 2, "Missing argument 'SERVER'"),
        ("logs rosewood", 1, "no manager is running on"),
        ("exec rosewood -- true", 1, "no manager is running on"),
        ("stop rosewood --wait", 1, "no manager runs, so there is nothing to wait for"),
        ("move rosewood --host cellar", 2, "no host 'cellar'; the fleet has local"),
        ("delete rosewood", 130, "interrupted"),
        ("status rosewood", 0, "no manager is running on"),
        ("list", 0, "so nothing looks at the containers: no states yet"),
        ("list --json", 0, "start it with `zedops up`"),
        ("history", 0, ""),
    ],
)
def test_what_is_mistyped_or_cannot_be_is_said_with_its_code(
    clone: Path, line: str, code: int, said: str
) -> None:
    done = zedops(*line.split(), cwd=clone)
    assert (done.returncode, done.stderr) == (code, done.stderr)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_a_fleet_every_command_says_how_to_get_into_one(tmp_path: Path) -> None:
    for line in ("list", "history", "plan", "stop rosewood", "logs rosewood"):
        done = zedops(*line.split(), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is no clone of a fleet; go into a clone of a fleet, or make one" in done.stderr


def test_a_terminal_without_the_letters_gets_plain_ones(clone: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zedops", "show", "rosewood", "--resolved"], cwd=clone,
        capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    for text, shown in (("a → b …", b"a -> b ..."), ("Zoë", b"Zo\\xeb")):
        script = f"from zedops.cli import output; output.speak_any_encoding(); print({text!r})"
        said = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, check=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        assert said.stdout == shown + b"\n"


def test_a_history_tells_of_a_server_under_the_names_that_it_had(tmp_path: Path) -> None:
    assert zedops("init", "fleet", cwd=tmp_path).returncode == 0
    clone = tmp_path / "fleet"
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]

    def push(message: str) -> None:
        for line in (["add", "--all"], ["commit", "--quiet", "-m", message], ["push", "--quiet"]):
            subprocess.run([*git, *line], cwd=clone, check=True, capture_output=True)
        second = int(time.time())  # git's times are whole seconds, and `--at` below asks by one
        while int(time.time()) == second:
            time.sleep(0.02)

    (clone / "servers.d/old.yaml").write_text("image: a\nlabels: {what: \"the first one\"}\n")
    push("old: begin")
    (clone / "servers.d/old.yaml").rename(clone / "servers.d/new.yaml")
    push("old is new now")
    (clone / "servers.d/old.yaml").write_text("image: b\n")
    push("old: another one")

    def told(name: str) -> list[str]:
        done = zedops("history", name, "--json", cwd=clone)
        return [each["what"] for each in json.loads(done.stdout)]

    assert told("new") == ["old: begin", "old is new now"]
    assert told("old") == ["old: begin", "old is new now", "old: another one"]
    east = {**os.environ, "TZ": "UTC-05:30"}
    shown = subprocess.run(
        [sys.executable, "-m", "zedops", "history", "new"], cwd=clone, env=east,
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()[1].split("\t")[0]
    assert shown.endswith("+05:30")
    assert zedops("list", "--at", shown, cwd=clone).stdout.splitlines()[1].startswith("old\t")
