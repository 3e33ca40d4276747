"""`zedops validate` and `zedops schema` in working copies, as CI and editors use them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a fleet's repository as CI has it: no hub, no remote."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "zedops.yaml").write_text("name: fleet\n")
    (tmp_path / "servers.d").mkdir()
    (tmp_path / "servers.d/fine.yaml").write_text("image: a\n")
    return tmp_path


def zedops(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run the command line in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "zedops", *arguments], cwd=folder, capture_output=True, text=True,
        check=False, timeout=60,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout


def test_each_format_says_what_is_wrong_and_where(checkout: Path) -> None:
    assert zedops(checkout, "validate") == "1 definition, no problems\n"
    assert zedops(checkout, "validate", "--format", "github") == ""
    (checkout / "servers.d/bad.yaml").write_text("image: a\nports: {x: 1/upd}\n")
    (checkout / "servers.d/heap.yaml").write_text("game: minecraft\nenv: {MEMORY: 9G}\n")
    text = zedops(checkout, "validate", "--format", "text", code=1)
    assert text.startswith("servers.d/bad.yaml:2:9: ports.x: '1/upd' is not a port;")
    assert "\nwarning: servers.d/heap.yaml:2:7: env.MEMORY: 9G leaves the game nothing" in text
    github = zedops(checkout, "validate", "--format", "github", code=1).splitlines()
    assert github[0].startswith(
        "::error file=servers.d/bad.yaml,line=2,col=9::ports.x: '1/upd' is not a port; write"
    )
    assert github[1].startswith("::warning file=servers.d/heap.yaml,line=2,col=7::env.MEMORY: 9G")
    found = json.loads(zedops(checkout, "validate", "--format", "json", code=1))
    assert [(each["kind"], each["path"], each["line"], each["field"]) for each in found] == [
        ("error", "servers.d/bad.yaml", 2, "ports.x"),
        ("warning", "servers.d/heap.yaml", 2, "env.MEMORY"),
    ]
    assert json.loads(zedops(checkout, "validate", "--json", code=1)) == found


def test_a_wrong_preset_and_one_in_the_wrong_place_are_found(checkout: Path) -> None:
    (checkout / "presets.d/games").mkdir(parents=True)
    (checkout / "presets.d/mine.yaml").write_text("imag: a\n")
    (checkout / "presets.d/games/other.yaml").write_text("image: a\n")
    found = json.loads(zedops(checkout, "validate", "--json", code=1))
    assert [(each["path"], each["fact"]) for each in found] == [
        ("presets.d/games/other.yaml", "is no place for a preset"),
        ("presets.d/mine.yaml", "unknown key"),
    ]


def test_the_pre_commit_hook_refuses_what_a_push_would(checkout: Path) -> None:
    hook, = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, *arguments = shlex.split(hook["entry"])
    assert (program, hook["pass_filenames"], hook["language"]) == ("zedops", False, "python")
    zedops(checkout, *arguments)
    (checkout / "servers.d/bad.yaml").write_text("imag: a\n")
    zedops(checkout, *arguments, code=1)


def test_the_schema_is_written_where_the_line_says(checkout: Path) -> None:
    said = zedops(checkout / "servers.d", "schema", "--write").splitlines()
    assert said == [
        "servers.d/NAME.yaml: # yaml-language-server: $schema=../schemas/definition.json",
        "zedops.yaml: # yaml-language-server: $schema=schemas/settings.json",
    ]
    for option, name in (((), "definition"), (("--settings",), "settings")):
        written = (checkout / f"schemas/{name}.json").read_text()
        assert written == zedops(checkout, "schema", *option)
        assert json.loads(written)["$schema"].endswith("2020-12/schema")
