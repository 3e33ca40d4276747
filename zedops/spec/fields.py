"""The types of a definition's values, and how they are read from text. Pure."""

from __future__ import annotations

import re
import shlex
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from zedops.spec.layout import NAME
from zedops.spec.quantities import DURATION, SIZE_HINT, parse_duration, parse_size

SERVER_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ENV_NAME = re.compile(r"[^=\x00-\x1f\x7f]{1,255}")
_SECRET = re.compile(
    r"PASS(WORD|WD|PHRASE)?($|_)|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|_KEY$|^KEY$|_PW$",
    re.IGNORECASE,
)
_SEALED = re.compile(r"age:[A-Za-z0-9+/]{64,}={0,2}")
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
#: Limit of a one-line command: the time to split it grows faster than its length.
_MAX_LINE = 32 * 1024
_SOURCE = re.compile(r"/[^\0]*|[A-Za-z0-9][A-Za-z0-9_.-]*")
#: Limits of `once`: values kept before it forgets all of them, and characters of a kept value.
_MOST_KEPT, _LONG = 4096, 500
#: As the Engine reads it (github.com/distribution/reference, `regexp.go`).
_IMAGE_HINT = "write e.g. ghcr.io/owner/name:tag, in lower case and without https://"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_IMAGE = re.compile(
    rf"(?=[A-Za-z0-9._/:@-]{{1,255}}$)(?:{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@[A-Za-z0-9]+:[0-9a-fA-F]+)?"
)
#: Shapes of names that git, the Engine and zedops give: none can be an option of a command.
COMMIT = re.compile(r"[0-9a-f]{4,64}")
CONTAINER = re.compile(r"[0-9a-f]{12,64}")
IMAGE_SEEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,511}")


class _Unkept(set[str]):
    """Replaces pydantic's set of written fields: always empty, and shared by all models.

    pydantic keeps one set for each model. zedops never reads it, and the sets take a third of a
    fleet's memory.
    """

    def update(self, *_: object) -> None:
        """Keep nothing."""

    def __copy__(self) -> _Unkept:
        return self

    def __reduce__(self) -> str:
        return "_UNKEPT"


_UNKEPT = _Unkept()


class Lean(BaseModel):
    """A model that does not record which fields were written and which have their default."""

    def model_post_init(self, context: object, /) -> None:  # noqa: ARG002 - it is theirs
        """Drop pydantic's set of written fields."""
        object.__setattr__(self, "__pydantic_fields_set__", _UNKEPT)


class Model(Lean):
    """A frozen model that refuses unknown keys."""

    # an input may be a secret, so pydantic's error text never repeats it
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True
    )


def _shaped(pattern: re.Pattern[str]) -> WithJsonSchema:
    """Give editors the pattern, anchored: JSON Schema does not anchor patterns by itself."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern.pattern})$"})


def matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    """Refuse a text that is not wholly of a pattern; says it "is not WHAT"."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is not {what}")
        return value

    return AfterValidator(check)


def no_nul(value: str) -> str:
    """Refuse a NUL character: environment variables and arguments cannot hold one."""
    if "\0" in value:
        raise ValueError("holds a NUL character, which no environment or argument can; remove it")
    return value


def looks_secret(name: str) -> bool:
    """Say whether a variable of this name probably holds a secret. Errs on the side of yes."""
    return _SECRET.search(name) is not None


def _sealed(value: object) -> object:
    """Accept encrypted text only. The error never holds the value: it may be the plain secret."""
    if isinstance(value, str) and _SEALED.fullmatch(value):
        return value
    raise ValueError(
        "is neither empty (the value is on the host) nor what `zedops secret encrypt` writes;"
        " never write the value itself here, and change it if you pushed it"
    )


Name = Annotated[
    str,
    matching(NAME, "a name; use lower-case letters, digits and '-', at most 63, no '-' first"),
    _shaped(NAME),
]
Key = Annotated[
    str, matching(_KEY, "a key; use lower-case letters, digits, '-' and '_'"), _shaped(_KEY)
]
ServerId = Annotated[str, matching(SERVER_ID, "a server's id: 26 letters and digits of a ULID")]
EnvKey = Annotated[
    str,
    matching(ENV_KEY, "a variable name; use letters, digits and '_', no digit first"),
    _shaped(ENV_KEY),
]
#: Docker takes any name; a shell inside may not know all of them (environ(7)).
EnvName = Annotated[
    str,
    matching(_ENV_NAME, "a variable name; it may hold all but '=' and control characters"),
    _shaped(_ENV_NAME),
]
#: A secret's value, encrypted for its host: `age:` and base 64.
Sealed = Annotated[str, BeforeValidator(_sealed)]
#: A host's public key; secrets for this host are encrypted to it.
Recipient = Annotated[
    str, matching(_RECIPIENT, "an age recipient; `zedops secret recipients` writes them")
]
Text = Annotated[str, AfterValidator(no_nul)]
CommitId = Annotated[str, matching(COMMIT, "a commit's id"), AfterValidator(sys.intern)]
ContainerId = Annotated[str, matching(CONTAINER, "a container's id")]
#: An image as a host names it; it may be longer than an image in a definition.
ImageSeen = Annotated[str, matching(IMAGE_SEEN, "an image"), AfterValidator(sys.intern)]
#: A host's name, interned: thousands of states hold the same one.
HostSeen = Annotated[Name, AfterValidator(sys.intern)]


def once() -> WrapValidator:
    """Share one model among all servers that write a value the same way."""
    made: dict[str, object] = {}

    def check(value: object, make: ValidatorFunctionWrapHandler) -> object:
        # repr differs for 1, True and "1"
        written = repr(value) if type(value) in (str, int, dict) else ""
        if (known := made.get(written)) is not None:
            return known
        found = make(value)
        if 0 < len(written) < _LONG:
            if len(made) >= _MOST_KEPT:
                made.clear()
            made[written] = found
        return found

    return WrapValidator(check)


def _yes_or_no(value: object) -> object:
    """Accept true and false only, also in models that convert other values."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no)]


def _utc(at: datetime) -> datetime:
    """Put a time that a person wrote into UTC, so that times can be compared."""
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("is outside the calendar; write e.g. 2026-11-23T10:00:00Z") from error


Utc = Annotated[datetime, AfterValidator(_utc)]
#: Dumped with a unit, so that the dump can be parsed again.
Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda seconds: f"{seconds:.3f}s"),
    _shaped(DURATION),
]
Bytes = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(lambda size: f"{size}b"),
    WithJsonSchema({"type": "string", "pattern": SIZE_HINT}),
]
Image = Annotated[
    str,
    matching(_IMAGE, f"an image reference; {_IMAGE_HINT}"),
    _shaped(_IMAGE),
]

Source = Annotated[
    str, matching(_SOURCE, "an absolute path of the host or a named volume; write e.g. /srv/world")
]


def one_of(kind: type[StrEnum]) -> BeforeValidator:
    """Read one of an enum's values; the error names them all."""
    def check(value: object) -> StrEnum:
        if isinstance(value, kind):
            return value
        if isinstance(value, str) and value in [member.value for member in kind]:
            return kind(value)
        raise ValueError(f"{value!r} is not one of {', '.join(kind)}; choose one of them")

    return BeforeValidator(check)


def words(value: object) -> object:
    """Read a command written as one line the way a shell splits it, as Compose does."""
    if isinstance(value, str) and len(value) > _MAX_LINE:
        raise ValueError(f"is longer than {_MAX_LINE} characters; write it as a list of words")
    return shlex.split(value) if isinstance(value, str) else value


def shell_lines(value: object) -> object:
    """Read each stop command: one line for the container's shell, or a list of words."""
    if not isinstance(value, list):
        return value
    return [["/bin/sh", "-c", each] if isinstance(each, str) else each for each in value]


def probe(value: object) -> object:
    """Put a health test in the Engine's form: CMD and words, or CMD-SHELL and one line."""
    if isinstance(value, str):
        return ["CMD-SHELL", value]
    if isinstance(value, list) and value and value[0] not in ("CMD", "CMD-SHELL", "NONE"):
        return ["CMD", *value]
    return value
