"""The files of a move between hosts: ordered ones, whole ones, and none that leads elsewhere."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.pure.plans import wanted
from zedops.errors import DataAtRisk, EngineFailed
from zedops.manager.courier import in_order, pieces
from zedops.protocol.moves import (
    PIECE_BYTES,
    MoveFilesRequest,
    MoveOrder,
    MoveReadRequest,
    MoveWriteReply,
    MoveWriteRequest,
)
from zedops.protocol.requests import read_question, read_request, read_stream_question
from zedops_agent.backup.move_files import MoveFiles

ID, TOKEN = "0" * 25 + "1", "attic (2026)"
CONTENT = b"a pack of restic"
PACK = f"repository/data/ab/{hashlib.sha256(CONTENT).hexdigest()}"


def piece(name: str, data: bytes, offset: int = 0, *, whole: bool = True) -> MoveWriteRequest:
    return MoveWriteRequest(server_id=ID, token=TOKEN, name=name, offset=offset, whole=whole,
                            data=base64.b64encode(data).decode())


def listed(files: MoveFiles) -> tuple[dict[str, int], dict[str, int]]:
    reply = files.listed(MoveFilesRequest(server_id=ID, token=TOKEN))
    return reply.files, reply.parts


@pytest.fixture
def files(tmp_path: Path) -> MoveFiles:
    return MoveFiles(tmp_path, "f")


def test_a_file_arrives_in_pieces_and_goes_on_where_it_was(files: MoveFiles) -> None:
    assert files.write(piece(PACK, CONTENT[:4], whole=False)) == MoveWriteReply(size=4)
    assert listed(files) == ({}, {PACK: 4})
    again = files.write(piece(PACK, CONTENT[:4], whole=False))
    assert again.size == 4, "a piece that came twice is not added twice"
    files.write(piece(PACK, CONTENT[4:], 4))
    assert listed(files) == ({PACK: len(CONTENT)}, {})
    read = files.read(MoveReadRequest(server_id=ID, token=TOKEN, name=PACK, offset=2))
    assert b"".join(read) == CONTENT[2:]


def test_a_file_of_a_move_has_the_name_of_its_content(files: MoveFiles) -> None:
    with pytest.raises(EngineFailed, match="was damaged on its way"):
        files.write(piece(PACK, b"something else"))
    assert listed(files) == ({}, {})
    for name in ("../password", "repository/../../x", "repository/locks/" + "a" * 64, "/etc/passwd",
                 "repository/data/ab/short", "password\n", ""):
        with pytest.raises(ValidationError):
            piece(name, b"x")


def test_a_host_gives_and_takes_the_files_of_an_ordered_move_only(files: MoveFiles) -> None:
    order = MoveOrder(token=TOKEN, role="take", peer="attic", by_bus=True)
    files.ordered(wanted(move=order), TOKEN, "take")
    for want, token, role in (
        (None, TOKEN, "take"), (wanted(), TOKEN, "take"), (wanted(move=order), "other", "take"),
        (wanted(move=order), TOKEN, "give"),
        (wanted(move=order.model_copy(update={"by_bus": False})), TOKEN, "take"),
    ):
        with pytest.raises(EngineFailed, match="not asked to move"):
            files.ordered(want, token, role)


def test_nothing_asks_for_the_files_of_a_move_through_the_socket() -> None:
    asked = MoveFilesRequest(server_id=ID, token=TOKEN).model_dump(mode="json")
    written = piece(PACK, CONTENT).model_dump(mode="json")
    streamed = MoveReadRequest(server_id=ID, token=TOKEN, name=PACK).model_dump(mode="json")
    assert read_request(asked).kind == "move-files"
    for said in (asked, written):
        with pytest.raises(ValidationError):
            read_question(said)
    with pytest.raises(ValidationError):
        read_stream_question(streamed)


def test_a_full_disk_takes_no_piece(files: MoveFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zedops_agent.backup.move_files._SPARE_BYTES", 1 << 60)
    with pytest.raises(DataAtRisk, match="has no room"):
        files.write(piece(PACK, CONTENT))
    assert listed(files) == ({}, {})


def test_the_files_of_other_moves_go_and_the_present_one_stays(files: MoveFiles) -> None:
    files.write(piece(PACK, CONTENT))
    files.clean(ID, TOKEN)
    assert listed(files)[0] == {PACK: len(CONTENT)}
    files.clean(ID)
    assert listed(files) == ({}, {})


def test_a_snapshot_comes_after_all_that_it_needs() -> None:
    names = [f"repository/snapshots/{'a' * 64}", "password", PACK, "repository/config"]
    assert in_order(names) == ["password", "repository/config", PACK, names[0]]


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES * 2 + 7])
def test_pieces_join_chunks_and_the_last_one_ends_the_file(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    chunks = [data[at : min(at + 32768, size)] for at in range(0, size, 32768)]
    made = list(pieces([b"", *chunks], size))
    assert b"".join(made) == data[:size]
    assert all(len(each) == PIECE_BYTES for each in made[:-1])
    assert len(made) == max(1, -(-size // PIECE_BYTES))
