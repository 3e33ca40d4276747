"""The JSON Schema that editors get, held against the models by a real validator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from zedops.fleet.fleet import read_settings
from zedops.spec import document
from zedops.spec.field_help import WORDS
from zedops.spec.model import Definition
from zedops.spec.schema import DIALECT, definition_schema, settings_schema

ROOT = Path(__file__).parents[2]

FULL = """\
host: attic
game: project-zomboid
desired: running
image: indifferentbroccoli/projectzomboid-server-docker:latest
command: [a, 1, on]
ports:
  game: 16261/udp
  plain: 25565
  rcon: {container: 27015/tcp, publish: none}
  web: "8080:80/tcp"
env: {SERVER_NAME: Rosewood, DEFAULT_PORT: "${ports.game}", EULA: TRUE, PUID: 1000}
secrets: [ADMIN_PASSWORD]
volumes:
  world: /project-zomboid-config
  install: {path: /project-zomboid, kind: cache, read_only: false}
limits: {memory: 6GiB, cpus: 2, pids: 512}
stop: {signal: SIGTERM, grace: 1m30s, commands: [save, [rcon, "quit"]]}
health: {test: [CMD-SHELL, pgrep x], interval: 30s, timeout: 5s, retries: 3, start_period: 5m}
restart: 2026-11-23T10:00:00Z
rebuild: "2"
drift: heal
labels: {owner: ada, count: 3}
user: "1000:1000"
networks: [games]
hostname: rosewood
cap_add: [SYS_NICE]
profile: hardened

# --- state: written by zedops; edits below this line are overwritten
state:
  id: "01JD0000000000000000000000"
  status: "running"
"""

GOOD = (
    FULL, "image: a\n", "game: minecraft\n", "image: a\nhealth: image\n",
    "image: a\ncommand: run it\n", "image: a\nhealth: {test: pgrep x}\n",
    "image: a\nlimits: {memory: 512m, cpus: 0.5}\n", "image: a\nstop: {commands: [save-all]}\n",
    "image: a\nvolumes: {w: {path: /w, source: named}}\n",
    "image: a\nports: {a: {container: 80, host: 8080, protocol: udp, publish: loopback}}\n",
)  # fmt: skip
BAD = (
    "host: attic\n", "imag: a\nimage: a\n", "image: a\nports: {a: 1/upd}\n",
    "image: a\nports: {a: {host: 5}}\n", "image: a\nstop: {grace: 90}\n",
    "image: a\nlimits: {memory: 6}\n", "image: a\ndesired: up\n", "image: a\nhost: Attic\n",
    "image: a\nvolumes: {w: data}\n", "image: a\nhealth: {interval: 5s}\n",
    "image: a\nprofile: hard\n", "image: a b\n", "image: a\nsecrets: X\n",
)  # fmt: skip


def checked(schema: object, folder: Path, *texts: str) -> list[bool]:
    """Validate texts as an editor or CI would; says of each whether it is accepted."""
    (folder / "schema.json").write_text(json.dumps(schema))
    files = [folder / f"{at}.yaml" for at in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    done = run("--schemafile", str(folder / "schema.json"), "-o", "json", *map(str, files))
    failed = {each["filename"] for each in json.loads(done.stdout)["errors"]}
    return [str(file) not in failed for file in files]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run check-jsonschema."""
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *arguments], capture_output=True, text=True,
        check=False, timeout=60,
    )


def test_both_schemas_are_valid_of_their_draft(tmp_path: Path) -> None:
    for name, made in (("d", definition_schema()), ("s", settings_schema())):
        assert made["$schema"] == DIALECT
        (tmp_path / f"{name}.json").write_text(json.dumps(made))
        done = run("--check-metaschema", str(tmp_path / f"{name}.json"))
        assert done.returncode == 0, done.stdout


def test_the_example_fleet_is_accepted(tmp_path: Path) -> None:
    texts = [path.read_text() for path in sorted((ROOT / "servers.d").glob("*.yaml"))]
    assert len(texts) >= 3
    assert checked(definition_schema(), tmp_path, *texts) == [True] * len(texts)
    assert checked(settings_schema(), tmp_path, (ROOT / "zedops.yaml").read_text()) == [True]


def test_models_and_schema_agree_on_what_is_right_and_what_is_wrong(tmp_path: Path) -> None:
    texts = (*GOOD, *BAD)
    read = [document.parse("servers.d/a.yaml", text.encode()) for text in texts]
    assert [not each.problems for each in read] == [True] * len(GOOD) + [False] * len(BAD)
    accepted = checked(definition_schema(), tmp_path, *texts)
    assert [text for text, ok in zip(texts, accepted, strict=True) if ok] == list(GOOD)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("{}\n", True), ("hosts: [attic, cellar]\nretention: 7d\n", True),
        ("defaults: {limits: {memory: 4GiB}, host: attic}\n", True),
        ("defaults: {limits: {memory: 4}}\n", False), ("retention: 7\n", False),
        ("host: [attic]\n", False), ("defaults: {imag: a}\n", False),
    ],
)  # fmt: skip
def test_settings_are_judged_alike(tmp_path: Path, text: str, right: bool) -> None:
    assert (read_settings(text.encode(), "fleet")[1] == ()) is right
    assert checked(settings_schema(), tmp_path, text) == [right]


def test_every_field_is_described_and_its_examples_are_right(tmp_path: Path) -> None:
    for model, words in WORDS.items():
        assert words.keys() == model.model_fields.keys(), model
        assert all(text.endswith(".") and examples for text, examples in words.values())
    examples = [
        yaml.safe_dump({"image": "a", field: example})
        for field, (_, given) in WORDS[Definition].items() for example in given
    ]
    accepted = checked(definition_schema(), tmp_path, *examples)
    assert [text for text, ok in zip(examples, accepted, strict=True) if not ok] == []


def test_defaults_are_told_as_people_write_them() -> None:
    made = definition_schema()
    assert made["$defs"]["Stop"]["properties"]["grace"]["default"] == "30s"
    assert made["properties"]["desired"]["default"] == "running"
    assert "default" not in made["properties"]["image"]
    assert settings_schema()["properties"]["retention"]["default"] == "86400s"
