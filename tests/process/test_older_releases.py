"""The first release refuses unknown fields, and reads what this release writes for it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from zedops.protocol.requests import Pong, Shape
from zedops.protocol.revisions import written
from zedops.protocol.sync import (
    DesiredDocument,
    DesiredServer,
    Goal,
    Hello,
    Report,
    ServerReport,
)
from zedops.spec.model import Definition, Drift, definition_hash

ROOT = Path(__file__).parents[2]
#: A commit whose messages had none of the fields of revision 1.
BEFORE = "ab7e3ba22b9b7fdd4bd68dfa28f769ecef5eda1f"
ID = "01" + "A" * 24
_READ = """
import sys
from zedops.calls import read_reply
from zedops.wire import DesiredDocument, Hello, Report
import json
kind, raw = sys.argv[1], sys.stdin.read()
models = {"DesiredDocument": DesiredDocument, "Report": Report, "Hello": Hello}
try:
    read = models[kind].model_validate(json.loads(raw)) if kind in models else \\
        read_reply(json.loads(raw))
except ValueError as error:
    sys.exit(f"refused: {error}")
print(read.model_dump_json())
"""


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the tree of `BEFORE`; a shallow clone does not have it."""
    archive = subprocess.run(
        ["git", "archive", BEFORE, "zedops"], cwd=ROOT, capture_output=True, check=False,
        timeout=60,
    )
    if archive.returncode:
        reason = f"this clone does not have {BEFORE[:12]}; git fetch --unshallow brings it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("older")
    subprocess.run(["tar", "-x"], input=archive.stdout, cwd=folder, check=True, timeout=60)
    return folder


def read(older: Path, message: BaseModel, raw: str) -> subprocess.CompletedProcess[str]:
    """Let the older release read a message."""
    return subprocess.run(
        [sys.executable, "-c", _READ, type(message).__name__], cwd=older, input=raw, text=True,
        capture_output=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(older)},
    )


def document() -> DesiredDocument:
    definition = Definition.model_validate({
        "image": "a", "ports": {"game": "2456/udp"}, "volumes": {"world": "/data"},
        "env": {"GREET": "ada"},
    })
    wanted = DesiredServer(
        id=ID, name="pz", goal=Goal.RUNNING, definition=definition, created=True,
        hash=definition_hash(definition), commit="abc", data_expected=True, drift=Drift.HEAL,
        kept_s=7.0,
    )
    return DesiredDocument(
        fleet="home", host="attic", epoch=1, rev=2, hub="feed", servers={ID: wanted}
    )


AT = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize("message", [
    document(),
    Report(host="attic", servers=(ServerReport(id=ID, at=AT, about="abc", under=(1, 2)),)),
    Pong(zedops="1", engine="2", epoch=3, rev=4, data_root="/srv", boot_id="b"),
    Shape(id="i", name="n", image="a", running=True, options={"tty": True}),
    Hello(host="attic", epoch=1, rev=2, zedops="2"),
], ids=lambda each: type(each).__name__)
def test_the_first_release_reads_what_is_written_for_it(older: Path, message: BaseModel) -> None:
    done = read(older, message, written(message, 0))
    assert done.returncode == 0, done.stderr
    again = type(message).model_validate_json(done.stdout)
    assert written(again, 0) == written(message, 0)
    if not isinstance(message, Hello):  # it would refuse the rest
        assert "refused" in read(older, message, written(message)).stderr
