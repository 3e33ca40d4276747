"""TAB in real shells: what is on the line after it is what was meant."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import without

pytestmark = pytest.mark.system

_DEADLINE_S = 60.0
#: How a shell starts without anybody's settings, and how it is made to show a line as it got it.
SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "source <(zedops completion bash)",
        "zedops() { printf '<%s>' \"$@\"; echo; }",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "autoload -U compinit; compinit -u -D; source <(zedops completion zsh)",
        "zedops() { printf '<%s>' \"$@\"; echo; }",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        "zedops completion fish | source",
        "function zedops; printf '<%s>' $argv; echo; end",
    ),
}
#: What is typed, and what the command gets.
LINES = {
    "pur\t": ["purge"],
    "secret enc\t": ["secret", "encrypt"],
    "stop rose\t": ["stop", "rosewood"],
    "stop att\t": ["stop", "attica"],
    "restore mul\t": ["restore", "muldraugh"],
    "new x --host cel\t": ["new", "x", "--host", "cellar"],
    "new x --host=cel\t --im\t y": ["new", "x", "--host=cellar", "--image", "y"],
    "new x --game fac\t": ["new", "x", "--game", "factorio"],
    "new x --game our\t": ["new", "x", "--game", "ours"],
    "completion fi\t": ["completion", "fish"],
    "import ./zedops.y\t": ["import", "./zedops.yaml"],
}


class Terminal:
    """A shell at a terminal, and what it showed."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        self._fd, theirs = pty.openpty()
        self._process = subprocess.Popen(  # fish wants the terminal for its own
            ["setsid", "--ctty", *command], cwd=folder, env=env,
            stdin=theirs, stdout=theirs, stderr=theirs,
        )
        os.close(theirs)
        self.shown = ""

    def type(self, line: str, until: str) -> str:
        """Type a line and wait until its answer was shown; returns all that was since."""
        begun = len(self.shown)
        os.write(self._fd, f"{line}\n".encode())
        deadline = time.monotonic() + _DEADLINE_S
        while until not in self.shown[begun:]:
            ready, _, _ = select.select([self._fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {until!r} in: {self.shown[begun:]}"
            self.shown += os.read(self._fd, 65536).decode("utf-8", "replace")
        return self.shown[begun:]

    def close(self) -> None:
        """End the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._fd)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what a person stands in: a working copy, and no hub that anybody could reach."""
    top = tmp_path_factory.mktemp("completion") / "fleet"
    files = {
        "zedops.yaml": "hosts: [attic, cellar]\n", "servers.d/attica.yaml": "image: a\n",
        "servers.d/south/rosewood.yaml": "not: [even, yaml", "servers.d/\x1b[31mROSE.yaml": "",
        "tombstones.d/muldraugh.yaml": "image: a\n", "presets.d/ours.yaml": "image: a\n",
        ".git/HEAD": "",
    }
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
    return top


@contextlib.contextmanager
def shell(name: str, folder: Path) -> Iterator[Terminal]:
    """Start a shell that completes zedops, and shows its arguments instead of running it."""
    command, completes, shows = SHELLS[name]
    if shutil.which(name) is None:
        without(name)
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "dumb",
        "HOME": str(folder.parent), "LC_ALL": "C.UTF-8",
    }
    terminal = Terminal(command, folder, env)
    try:
        for line in (completes, shows):
            terminal.type(f"{line}; printf '%s' do; printf '%s\\n' ne", "done")
        yield terminal
    finally:
        terminal.close()


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_completes_commands_options_servers_and_hosts(name: str, clone: Path) -> None:
    with shell(name, clone) as terminal:
        for line, expected in LINES.items():
            answer = "".join(f"<{each}>" for each in expected)
            assert answer in terminal.type(f"zedops {line}", answer), line
        (clone / "zedops.yaml").rename(clone / "away")
        try:
            said = terminal.type("zedops new x --host cel\t", "<cel>")
        finally:
            (clone / "away").rename(clone / "zedops.yaml")
        assert "rror" not in said, said


def test_what_cannot_be_known_is_silent(tmp_path: Path) -> None:
    assert _ask("zedops stop ", tmp_path) == ("", "")
    (tmp_path / ".git").mkdir()
    (tmp_path / "zedops.yaml").write_bytes(b"\xff: [")
    assert _ask("zedops new x --host ", tmp_path) == ("", "")
    assert _ask("zedops nonsense ", tmp_path)[1] == ""
    (tmp_path / "zedops.yaml").unlink()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zedops.yaml").symlink_to("pipe")  # whoever follows it waits for ever
    assert _ask("zedops new x --host ", tmp_path) == ("", "")


def test_names_that_no_server_can_have_are_not_put_on_a_screen(clone: Path) -> None:
    assert _ask("zedops stop ", clone)[0] == "plain,attica\nplain,rosewood\nplain,south/\n"


def test_to_complete_loads_no_command_and_no_fleet(clone: Path) -> None:
    script = (
        "import atexit, sys; from zedops.cli.main import main;"
        "atexit.register(lambda: print(*sorted(sys.modules), sep='\\n', file=sys.stderr)); main()"
    )
    _, loaded = _ask("zedops new x --host ", clone, [sys.executable, "-c", script])
    heavy = {"pydantic", "subprocess", "rich", "zedops.clone.clone", "zedops.cli.commands.new"}
    assert "zedops.cli.completion_types" in loaded.split()
    assert not heavy & set(loaded.split())


def _ask(line: str, folder: Path, program: list[str] | None = None) -> tuple[str, str]:
    """Ask as bash does; returns the answer, and what was said besides."""
    words = line.split(" ")
    done = subprocess.run(
        program or [str(Path(sys.executable).with_name("zedops"))], cwd=folder, check=True,
        capture_output=True, text=True, env={
            **os.environ, "_ZEDOPS_COMPLETE": "bash_complete", "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
    )
    return ("" if done.stdout == "\n" else done.stdout), done.stderr
