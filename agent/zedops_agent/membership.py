"""A host's membership in a fleet of many: its manager's address, and its own key.

zedops keeps it beside the document on disk, for this user only. An agent without a membership
serves a manager in the same process, or works from the document alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import Field, ValidationError

from zedops.errors import UsageError, ZedopsError
from zedops.spec.fields import Model, Name
from zedops.system import files


class Membership(Model):
    """A membership, from `zedops agent join` or from an administrator of a NATS cluster."""

    version: int = Field(default=1, le=1)
    fleet: Name
    host: Name
    urls: tuple[str, ...] = Field(min_length=1)
    ca: str | None = None  #: PEM; None: the system's certificates, or no TLS with `nats://`
    credentials: str | None = Field(default=None, repr=False)  #: text of a `.creds` file
    tls_first: bool = True  #: a fleet's own server requires it; another server may not support it


def path(root: Path, fleet: str) -> Path:
    """Give the path of a fleet's membership."""
    return root / "agent" / fleet / "membership.json"


def load(root: Path, fleet: str) -> Membership | None:
    """Read a membership; None if this host has never joined."""
    where = path(root, fleet)
    try:
        return Membership.model_validate_json(files.read(where))
    except FileNotFoundError:
        return None
    except OSError as error:
        remedy = "see to its disk and mode; if it is no file, move it away and join again"
        raise ZedopsError(f"cannot read {where}: {error.strerror}; {remedy}") from error
    except ValidationError as error:
        remedy = "join again with a new token and --replace"
        fact = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise ZedopsError(f"{where} cannot be used: {fact}; {remedy}") from error


def save(root: Path, membership: Membership, *, replace: bool = False) -> Path:
    """Keep a membership, whole or not at all, readable for this user only.

    Raises UsageError if this host is already in a fleet of that name that may be another one: the
    maker of a token chooses its fleet's name. `replace` confirms the change.
    """
    where = path(root, membership.fleet)
    if not replace and (kept := _other(where, membership)):
        fact = f"this host is in a fleet {membership.fleet!r} already ({kept}); nothing has changed"
        raise UsageError(f"{fact}; --replace takes it out of that one")
    _write(where, membership.model_dump_json(indent=1))
    return where


def key_for(root: Path, token_id: str, make: Callable[[], str]) -> str:
    """Return the key that redeems a token: the same one again after a lost answer."""
    where = _key_path(root, token_id)
    try:
        return files.read(where).decode()
    except FileNotFoundError:
        made = make()
        _write(where, made)
        return made
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ZedopsError(f"cannot read {where}: {why}; move it away and join again") from error


def forget_key(root: Path, token_id: str) -> None:
    """Drop the key of a token; the membership holds it now."""
    _key_path(root, token_id).unlink(missing_ok=True)


def fleets(root: Path) -> list[str]:
    """Name the fleets that this host joined."""
    return sorted(each.parent.name for each in (root / "agent").glob("*/membership.json"))


def _other(where: Path, new: Membership) -> str:
    """Describe a membership that is perhaps of another fleet of that name; empty without one."""
    try:
        kept = Membership.model_validate_json(files.read(where))
    except FileNotFoundError:
        return ""
    except (OSError, ValidationError):
        return f"{where} cannot be read"
    # an authority identifies a fleet's own server, addresses identify another one
    same = kept.ca == new.ca if kept.ca and new.ca else set(kept.urls) == set(new.urls)
    if same and kept.host == new.host:
        return ""
    return f"as {kept.host}, its manager at {', '.join(kept.urls)}"


def _key_path(root: Path, token_id: str) -> Path:
    return root / "agent" / f".joining-{token_id}"


def _write(where: Path, text: str) -> None:
    where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.write(where, text.encode())
