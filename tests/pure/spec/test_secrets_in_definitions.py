"""Secrets in a definition: names, or values that only their host opens; how they get there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zedops.spec import edit
from zedops.spec.document import parse
from zedops.spec.loader import load
from zedops.spec.model import definition_hash
from zedops.system import age

PATH = "servers.d/rosewood.yaml"
KEY = age.new_identity()
MINE = age.recipient_of(KEY)
SEALED = age.seal("hunter2", "f/rosewood/A", MINE)


def hash_of(text: str) -> str:
    read = parse(PATH, f"image: a\n{text}".encode())
    assert read.definition is not None, read.problems
    return definition_hash(read.definition)


def problems(text: str) -> list[str]:
    return [str(each) for each in parse(PATH, f"image: a\n{text}".encode()).problems]


def test_a_list_of_names_has_the_hash_that_it_always_had() -> None:
    assert hash_of("secrets: [A]\n") == "1:a29db12e33572adb41ac"
    assert hash_of("secrets: []\n") == hash_of("secrets: {}\n") == hash_of("")


def test_another_ciphertext_is_another_hash_and_the_hash_tells_no_value() -> None:
    again = age.seal("hunter2", "f/rosewood/A", MINE)
    one, other = hash_of(f"secrets: {{A: {SEALED}}}\n"), hash_of(f"secrets: {{A: {again}}}\n")
    assert one != other  # the same value, sealed twice: nobody can try values out against it


def test_names_and_sealed_values_stand_side_by_side() -> None:
    found = parse(PATH, f"image: a\nsecrets:\n  A: {SEALED}\n  B:\n".encode()).definition
    assert found is not None
    assert (found.host_secrets, found.sealed_secrets) == (("B",), {"A": SEALED})


@pytest.mark.parametrize("value", ["hunter2", "12345678", "[hunter2]", "{hunter2: hunter2}",
                                   "'age:hunter2'", "true", "age1hunter2"])  # fmt: skip
def test_a_value_in_plain_text_is_refused_and_not_repeated(value: str) -> None:
    found = problems(f"secrets:\n  ADMIN: {value}\n")
    assert len(found) == 1
    assert "secrets.ADMIN: is neither empty" in found[0]
    assert value.strip("'[]{}").split(":")[0] not in found[0].replace("`zedops", "")
    assert "hunter2" not in found[0]


def test_a_wrong_value_that_may_be_a_secret_is_in_no_message() -> None:
    for text in ("env:\n  DB_PASSWORD: [hunter2]\n", "secrets: hunter2\n",
                 "secrets: [A, [hunter2]]\n"):  # fmt: skip
        found = problems(text)
        assert found
        assert "hunter2" not in "".join(found)


def test_a_volume_cannot_be_where_secrets_are_files() -> None:
    found = problems("secrets: [A]\nsecrets_as: files\nvolumes: {x: /run/secrets/mine}\n")
    assert "volume 'x' is where `secrets_as: files` puts secrets" in found[0]
    assert not problems("secrets: [A]\nvolumes: {x: /run/secrets/mine}\n")


@settings(max_examples=30)
@given(st.text(), st.text(st.characters(exclude_characters="\n", codec="utf-8")))
def test_what_is_sealed_opens_only_with_its_key_and_for_its_purpose(
    value: str, purpose: str
) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    sealed = age.seal(value, purpose, MINE)
    assert age.unseal(sealed, purpose, KEY) == value
    with pytest.raises(age.DecryptFailed, match="another key"):
        age.unseal(sealed, purpose, age.new_identity())
    with pytest.raises(age.DecryptFailed, match="it was encrypted for"):
        age.unseal(sealed, f"{purpose}x", KEY)


@settings(max_examples=30)
@given(st.text(st.sampled_from("ABab01+/="), max_size=200))
def test_what_was_never_sealed_says_so(text: str) -> None:
    with pytest.raises(age.DecryptFailed):
        age.unseal(f"age:{text}", "f/s/N", KEY)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("image: a\n", "image: a\nsecrets: {A: NEW}\n"),
        ("secrets: [A] # why\nimage: a\n", "secrets: {A: NEW} # why\nimage: a\n"),
        ("secrets: [B, A]\nimage: a\n", "secrets: {B: null, A: NEW}\nimage: a\n"),
        ("secrets: []   # none\nimage: a\n", "secrets: {A: NEW}   # none\nimage: a\n"),
        ("secrets:\n- B # b\n# c\n- A # a\nimage: a\n",
         "secrets:\n  B: # b\n# c\n  A: NEW # a\nimage: a\n"),
        ("secrets:\n  - B\nimage: a\n", "secrets:\n    A: NEW\n    B:\nimage: a\n"),
        ("secrets:\n  A: old # a\n  B:\n", "secrets:\n  A: NEW # a\n  B:\n"),
        ("secrets:\n  A: # a\n  B:\n", "secrets:\n  A: NEW # a\n  B:\n"),
        ("secrets:\n  B: null\nimage: a\n", "secrets:\n  A: NEW\n  B: null\nimage: a\n"),
        ("secrets: {B: null}\n", "secrets: {A: NEW, B: null}\n"),
        ("secrets: {A: , B: }\n", "secrets: {A: NEW , B: }\n"),
        ("secrets:\nimage: a\n", "secrets: {A: NEW}\nimage: a\n"),
        ("image: a\r\nsecrets:\r\n- A\r\n", "image: a\r\nsecrets:\r\n  A: NEW\r\n"),
    ],
)  # fmt: skip
def test_a_secret_comes_into_a_definition_and_the_rest_stays(before: str, after: str) -> None:
    made = edit.set_secret(load(PATH, before), before, "A", SEALED)
    assert made.replace(SEALED, "NEW") == after
    assert load(PATH, made).data["secrets"]["A"] == SEALED
