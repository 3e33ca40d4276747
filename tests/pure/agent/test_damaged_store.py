"""Whatever happens to a file that an agent keeps, the agent starts, and loses nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pure.fleets import NOW, server_id
from zedops.errors import PersistFailed
from zedops.protocol.sync import DesiredDocument, ServerReport
from zedops.system import age
from zedops_agent.memory import Memory
from zedops_agent.secrets import Secrets
from zedops_agent.store import Store

ID = server_id(1)
FILES = ["desired.json", f"memory/{ID}.json", "unsent.jsonl", "age.key", "recipient"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(b"\xff\x00{]" * 50)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").touch()


DAMAGES = [cut, empty, garble, a_directory]


def fill(root: Path) -> None:
    store = Store(root, "f")
    Secrets(root, "f").prepare()
    store.save_desired(DesiredDocument(fleet="f", host="attic", epoch=1, rev=1))
    store.save_memory(ID, Memory(created=True))
    store.save_unsent([ServerReport(id=ID, at=NOW, about="c1")])
    store.close()


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_set_aside_and_the_rest_is_kept(
    tmp_path: Path, name: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    home = tmp_path / "agent" / "f"
    damage(home / name)
    with caplog.at_level(logging.ERROR):
        store = Store(tmp_path, "f")
        document, memory = store.load_desired(), store.load_memory(ID)
        unsent = store.load_unsent()
        Secrets(tmp_path, "f").prepare()
    assert (document is None) == (name == "desired.json")
    assert memory == (Memory() if name.startswith("memory") else Memory(created=True))
    assert (unsent == []) == (name == "unsent.jsonl")
    key = (home / "age.key").read_text().strip()
    assert (home / "recipient").read_text().strip() == age.recipient_of(key)
    # a file of lines that was emptied says nothing, and a public key can be made again
    silent = name == "recipient" or (name == "unsent.jsonl" and damage is empty)
    aside = list((home / name).parent.glob("*.damaged-*"))
    assert len(aside) == (0 if silent and damage is not a_directory else 1)
    assert silent or aside[0].name in caplog.text
    store.save_desired(DesiredDocument(fleet="f", host="attic", epoch=1, rev=2))
    store.save_memory(ID, Memory(created=True))
    store.save_unsent([])
    store.close()


def test_half_written_files_are_in_nobodys_way(tmp_path: Path) -> None:
    fill(tmp_path)
    home = tmp_path / "agent" / "f"
    for name in FILES[:3]:
        (home / f"{name}.new").mkdir()
    store = Store(tmp_path, "f")
    store.save_desired(DesiredDocument(fleet="f", host="attic", epoch=1, rev=2))
    store.save_memory(ID, Memory(created=True))
    store.save_unsent([ServerReport(id=ID, at=NOW, about="c2")])
    assert store.load_desired() == DesiredDocument(fleet="f", host="attic", epoch=1, rev=2)
    assert store.load_memory(ID) == Memory(created=True)
    assert [each.about for each in store.load_unsent()] == ["c2"]
    store.close()


def test_one_damaged_line_costs_no_other_report(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "agent/f/unsent.jsonl"
    path.write_text('{"id": "nonsense"\n' + path.read_text())
    store = Store(tmp_path, "f")
    assert [each.id for each in store.load_unsent()] == [ID]
    store.close()


def test_a_document_of_another_fleet_is_set_aside(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "agent/f").rename(tmp_path / "agent/g")
    store = Store(tmp_path, "g")
    assert store.load_desired() is None
    assert list((tmp_path / "agent/g").glob("desired.json.damaged-*"))
    store.close()


def test_a_file_in_the_place_of_the_memories_is_set_aside(tmp_path: Path) -> None:
    home = tmp_path / "agent/f"
    home.mkdir(parents=True)
    (home / "memory").write_text("?")
    store = Store(tmp_path, "f")
    store.save_memory(ID, Memory(created=True))
    assert store.load_memory(ID) == Memory(created=True)
    store.close()


def test_a_memory_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / f"agent/f/memory/{ID}.json"
    path.unlink()
    path.symlink_to(path.name)  # ELOOP, as root too
    store = Store(tmp_path, "f")
    with pytest.raises(PersistFailed, match="cannot look at"):
        store.load_memory(ID)
    store.close()
