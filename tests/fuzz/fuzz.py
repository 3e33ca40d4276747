"""Coverage-guided fuzzing of one way in: `python tests/fuzz/fuzz.py TARGET [libFuzzer options]`.

Finds inputs that raise anything but the errors that are meant. Needs atheris, which no test does.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "agent")]

atheris = importlib.import_module("atheris")
with atheris.instrument_imports(include=["zedops"]):
    from zedops.bus.nats.messages import VERSION_HEADER, unpack
    from zedops.bus.nats.tokens import Token
    from zedops.control import protocol
    from zedops.errors import ZedopsError
    from zedops.fleet.checks import check
    from zedops.fleet.fleet import Fleet, read_settings
    from zedops.fleet.merge import merge
    from zedops.hub import hook
    from zedops.protocol.requests import read_reply, read_request, read_stream_request
    from zedops.protocol.sync import DesiredDocument, Heartbeat, Hello, Progress, Report
    from zedops.scaffold.compose.project import Reader, chosen
    from zedops.scaffold.compose.run_line import read_run
    from zedops.scaffold.compose.services import translate
    from zedops.spec import preset
    from zedops.spec.document import parse
    from zedops.spec.state_block import render

PATH = "servers.d/a.yaml"


def document(raw: bytes) -> None:
    """Read a file as a push does; the head is the person's, byte for byte."""
    read = parse(PATH, raw)
    problems = check(Fleet(documents={PATH: read}), {PATH})
    if not all(str(each).isprintable() for each in problems):
        raise AssertionError(problems)
    again = parse(PATH, render(read.head, read.state))
    if read.definition is not None and again.definition != read.definition:
        raise AssertionError(again)


def settings(raw: bytes) -> None:
    """Read the fleet's settings."""
    read_settings(raw, "fleet")


def message(raw: bytes) -> None:
    """Read what another machine says."""
    with contextlib.suppress(ZedopsError):
        unpack(raw, {VERSION_HEADER: "1"}, DesiredDocument.model_validate, "attic")


def report(raw: bytes) -> None:
    """Read what a host says to its manager."""
    for kind in (Report, Hello, Heartbeat, Progress):
        with contextlib.suppress(ZedopsError):
            unpack(raw, {VERSION_HEADER: "1"}, kind.model_validate, "attic")


def question(raw: bytes) -> None:
    """Read what is asked of a host, and what it answers."""
    for read in (read_request, read_reply, read_stream_request):
        with contextlib.suppress(ZedopsError):
            unpack(raw, {VERSION_HEADER: "1"}, read, "attic")


def token(raw: bytes) -> None:
    """Read what a person pastes to join a host."""
    with contextlib.suppress(ZedopsError):
        Token.parse("zed1." + raw.decode("latin-1"))


def game(raw: bytes) -> None:
    """Read a fleet's own preset."""
    read = preset.parse("presets/a.yaml", raw)
    if not all(str(each).isprintable() for each in read.problems):
        raise AssertionError(read.problems)


def services(raw: bytes) -> None:
    """Read a compose file that a stranger wrote."""
    files = {"/there/compose.yaml": raw}
    with contextlib.suppress(ValueError):
        project = Reader(files.get, {}).project("/there/compose.yaml")
        for each in chosen(project, (), ("*",)):
            translate(each, project, files.get, lambda _: None)


def line(raw: bytes) -> None:
    """Read a `docker run` line that a person pastes."""
    with contextlib.suppress(ValueError):
        project, source = read_run(f"docker run {raw.decode('utf-8', 'replace')}", "/there", {})
        translate(source, project, lambda _: None, lambda _: None)


def both(raw: bytes) -> None:
    """Merge what two sides made of one file."""
    base, ours, theirs = [*raw.split(b"\xff", 2), b"", b""][:3]
    merge({PATH: base}, {PATH: ours}, {PATH: theirs}, lambda *_: None)


def door(raw: bytes) -> None:
    """Read what somebody on this machine asks."""
    with contextlib.suppress(ZedopsError):
        protocol.read(raw)


def packet(raw: bytes) -> None:
    """Read what git says to a hook."""
    with contextlib.suppress(hook.Malformed):
        hook.Call("proc-receive", {}, io.BytesIO(raw), io.BytesIO(), io.BytesIO()).read_push()


def pushed(raw: bytes) -> None:
    """Read which refs a push moves."""
    with contextlib.suppress(hook.Malformed):
        hook.Call("pre-receive", {}, io.BytesIO(raw), io.BytesIO(), io.BytesIO()).read_push()


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (
        document, settings, game, services, line, both, message, report, question, token, door,
        packet, pushed,
    )
}


def main() -> None:
    """Fuzz the target that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"say which: {', '.join(TARGETS)}")
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup([*sys.argv, "-timeout=1"], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
