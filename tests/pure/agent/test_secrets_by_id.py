"""Secrets belong to a server, whatever it is called, and are gone with its data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pure.fleets import server_id
from zedops.errors import EngineFailed
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.model import Definition, Drift, definition_hash
from zedops.system import age
from zedops_agent.secrets import Secrets

ONE, OTHER = server_id(1), server_id(2)


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    (tmp_path / "agent" / "f").mkdir(parents=True)
    made = Secrets(tmp_path, "f")
    made.prepare()
    return made


def want(server: str, name: str, secrets: object = ("TOKEN",)) -> DesiredServer:
    definition = Definition.model_validate({"image": "a", "secrets": secrets}, strict=False)
    return DesiredServer(
        id=server, name=name, goal=Goal.RUNNING, definition=definition,
        hash=definition_hash(definition), commit="c0ffee1", created=False, data_expected=False,
        drift=Drift.HEAL,
    )


def test_what_was_kept_by_name_goes_on_working_and_follows_the_server(
    secrets: Secrets, tmp_path: Path
) -> None:
    place = tmp_path / "secrets" / "f" / "anns"
    place.mkdir()
    (place / "TOKEN").write_text("xyz\n")
    mark = secrets.fingerprint(want(ONE, "anns"))
    assert mark
    assert secrets.read_values(want(ONE, "anns")) == {"TOKEN": "xyz"}
    assert not place.exists()
    assert secrets.read_values(want(ONE, "renamed")) == {"TOKEN": "xyz"}
    assert secrets.fingerprint(want(ONE, "renamed")) == mark  # and nothing is recreated
    with pytest.raises(EngineFailed, match="secret TOKEN is not set"):
        secrets.read_values(want(OTHER, "anns"))


def test_what_is_set_before_there_is_a_server_is_for_the_one_that_gets_the_name(
    secrets: Secrets,
) -> None:
    secrets.set("anns", "TOKEN", "xyz")
    secrets.set("bobs", "TOKEN", "abc")
    secrets.bind({"anns": ONE})
    assert secrets.names() == [(ONE, "TOKEN"), ("bobs", "TOKEN")]
    assert secrets.read_values(want(ONE, "anns")) == {"TOKEN": "xyz"}
    secrets.set("anns", "TOKEN", "new")
    assert secrets.read_values(want(ONE, "anns")) == {"TOKEN": "new"}


def test_a_purge_ends_the_secrets_of_that_server_alone(secrets: Secrets) -> None:
    secrets.set(ONE, "TOKEN", "xyz")
    secrets.set(OTHER, "TOKEN", "abc")
    for _ in range(2):
        secrets.forget(ONE)
    assert secrets.names() == [(OTHER, "TOKEN")]


def test_a_value_sealed_for_an_id_opens_under_any_name_of_that_server_alone(
    secrets: Secrets,
) -> None:
    sealed = {"TOKEN": age.seal("abc", f"f/{ONE}/TOKEN", secrets.key.recipient())}
    for name in ("anns", "renamed"):
        assert secrets.read_values(want(ONE, name, sealed)) == {"TOKEN": "abc"}
    with pytest.raises(EngineFailed, match="secret TOKEN cannot be opened: it was encrypted for"):
        secrets.read_values(want(OTHER, "anns", sealed))


def test_a_value_sealed_for_a_name_belongs_to_the_first_server_that_opened_it(
    secrets: Secrets,
) -> None:
    text = age.seal("abc", "f/anns/TOKEN", secrets.key.recipient())
    with pytest.raises(EngineFailed, match="was encrypted for 'f/anns/TOKEN', not for 'f/bobs/"):
        secrets.read_values(want(OTHER, "bobs", {"TOKEN": text}))
    assert secrets.read_values(want(ONE, "anns", {"TOKEN": text})) == {"TOKEN": "abc"}
    assert secrets.read_values(want(ONE, "renamed", {"TOKEN": text})) == {"TOKEN": "abc"}
    for server, named, key in ((OTHER, "anns", "TOKEN"), (ONE, "anns", "OTHER")):
        with pytest.raises(EngineFailed, match="cannot be opened"):
            secrets.read_values(want(server, named, {key: text}))
