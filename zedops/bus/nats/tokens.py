"""A token: one line to paste, with all that a host needs to ask for admission.

Its key permits that request only, until it expires. The authority knows whether it was used before.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from zedops.bus.nats import jwt
from zedops.errors import InvalidToken, UsageError, ZedopsError
from zedops.spec.fields import Model, Name, Utc

_VERSION = 1
_FORM = re.compile(r"zed([1-9][0-9]*)\.([A-Za-z0-9_-]*)=*")
_AGAIN = "copy the whole line that `zedops host add` printed"


class Token(Model):
    """The contents of a token."""

    #: the server's addresses, `tls://name:port`, best first
    urls: tuple[str, ...] = Field(min_length=1)
    #: the one authority that must have signed the server's certificate, PEM
    ca: str
    id: Name
    host: Name
    user_jwt: str
    seed: str = Field(repr=False)
    expires: Utc

    @property
    def credentials(self) -> jwt.Credentials:
        """The credentials for the request."""
        return jwt.Credentials(self.user_jwt, self.seed)

    @property
    def text(self) -> str:
        """The token as one line."""
        packed = base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")
        return f"zed{_VERSION}.{packed}"

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read a token, with any line breaks of a terminal; InvalidToken names its fault."""
        form = _FORM.fullmatch("".join(text.split()))
        if form is None:
            raise InvalidToken(f"this is not a token of zedops; {_AGAIN}")
        if int(form[1]) != _VERSION:
            remedy = "use the zedops of the manager's version on this host"
            raise InvalidToken(f"this token is of a newer form (zed{form[1]}); {remedy}")
        packed = form[2]
        try:
            raw = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_")
            token = cls.model_validate_json(raw)
            if jwt.subject(token.user_jwt) != jwt.public_key(token.seed):
                raise ValueError("the key is not the user's")
            for url in token.urls:
                host_of(url)
        except (ValidationError, ValueError, ZedopsError) as error:
            raise InvalidToken(f"this token is not whole, or was changed; {_AGAIN}") from error
        return token


def host_of(url: str) -> str:
    """Take the name or address out of `tls://name:port`; UsageError if there is none."""
    try:
        parts = urlsplit(url)
        name, usable = parts.hostname, parts.scheme == "tls" and parts.port != 0
    except ValueError:
        name, usable = None, False
    if not name or not usable:
        raise UsageError(f"{url!r} is no address of a server; write e.g. tls://fleet.example:4222")
    return name
