"""An act is a commit's files: the text of people changes where the act says, and nowhere else."""

from __future__ import annotations

import pytest

from tests.pure.fleets import NOW, doc, running
from zedops.clone import verbs
from zedops.errors import UsageError, ZedopsError
from zedops.spec import document
from zedops.spec.state import Status

HEAD = "image: a  # mine\ndesired: running\n"
EACH = doc("servers.d/x/a.yaml", HEAD, running(1))


def head(made: verbs.Act | None, path: str = EACH.path) -> str:
    assert made is not None
    content = made.files[path]
    assert content is not None
    return document.parse(path, content).head


def test_a_verb_sets_its_key_and_nothing_else() -> None:
    assert head(verbs.change(EACH, "stop", NOW)) == "image: a  # mine\ndesired: stopped\n"
    assert head(verbs.change(EACH, "rebuild", NOW)) == f"{HEAD}rebuild: 2026-11-23T10:00:00Z\n"
    assert verbs.change(EACH, "start", NOW) is None
    retried = verbs.change(EACH, "retry", NOW)
    assert retried is not None
    assert retried.message == "a: retry"
    assert verbs.change(doc(EACH.path, head(retried)), "restart", NOW) is None


def test_an_unreadable_definition_is_changed_by_no_verb() -> None:
    with pytest.raises(ZedopsError, match=r"a\.yaml"):
        verbs.change(doc("servers.d/a.yaml", "imag: a\n"), "stop", NOW)


def test_only_a_deleted_server_is_forgotten() -> None:
    with pytest.raises(ZedopsError, match="not deleted yet"):
        verbs.forget(EACH)
    grave = doc("tombstones.d/a.yaml", HEAD, running(1, status=Status.DELETED))
    assert verbs.forget(grave).files == {grave.path: None}
    assert head(verbs.restore(grave, EACH.path)) == HEAD


def test_a_purge_of_a_living_server_deletes_it_in_the_same_commit() -> None:
    made = verbs.purge_data(EACH)
    assert made.files[EACH.path] is None
    assert head(made, "tombstones.d/a.yaml") == f"{HEAD}purge: data\n"
    assert made.options == ("allow-delete=a",)


def test_a_browser_s_line_ends_do_not_reach_the_file() -> None:
    made = verbs.rewrite(EACH, "image: b\r\ndesired: stopped")
    assert head(made) == "image: b\ndesired: stopped\n"


def test_several_acts_are_one_commit() -> None:
    others = [doc(f"servers.d/{name}.yaml", HEAD, running(2)) for name in "bcdefg"]
    made = verbs.together("delete", [verbs.delete(each) for each in [EACH, *others[:1]]])
    assert (made.message, made.options) == ("a, b: delete", ("allow-delete=a", "allow-delete=b"))
    assert set(made.files) == {EACH.path, "servers.d/b.yaml"}
    many = verbs.together("delete", [verbs.delete(each) for each in [EACH, *others]])
    assert many.message == "7 servers: delete\n\na, b, c, d, e, f, g"
    with pytest.raises(UsageError, match="nothing changes"):
        verbs.together("stop", [])
