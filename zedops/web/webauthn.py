"""Passkeys of browsers: what to ask a browser for, and whether its answer holds (W3C WebAuthn).

The one room of the library `webauthn`, an extra. Keys of the curve P-256 alone are taken, because
ssh knows them, too; the person must unlock the key each time.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from hashlib import sha256
from typing import Any

from zedops.errors import UsageError, ZedopsError
from zedops.fleet.passkeys import Passkey
from zedops.web.sessions import Sessions

#: A person answers within this time.
OPEN_S = 600
_ES256 = -7
#: The head of a key in COSE (RFC 9053, 7.1.1): EC2, ES256, P-256; x and y follow.
_COSE_X, _COSE_Y = bytes.fromhex("a5010203262001215820"), bytes.fromhex("225820")


class NotProven(ZedopsError):
    """An answer of a browser that proves nothing."""


class Challenges:
    """Challenges that each hold once, for a few minutes. The browser brings back a signed copy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, float] = {}

    def make(self, sessions: Sessions, purpose: str) -> dict[str, str]:
        """Make a challenge: base64url, and its signed copy."""
        challenge = secrets.token_urlsafe(32)
        return {"challenge": challenge, "state": sessions.seal(purpose, challenge)}

    def take(self, sessions: Sessions, purpose: str, state: str) -> bytes:
        """Use a challenge up. NotProven for one that is unknown, used or too old."""
        challenge = sessions.unseal(purpose, state, OPEN_S)
        with self._lock:
            now = time.monotonic()
            self._used = {key: ends for key, ends in self._used.items() if ends > now}
            if challenge is None or challenge in self._used:
                raise NotProven("this login took too long, or was used; try again")
            self._used[challenge] = now + OPEN_S
        return _bytes(challenge)


def wanted_new(email: str, name: str, place: str) -> dict[str, Any]:
    """Say what key a browser is to make (PublicKeyCredentialCreationOptions)."""
    return {
        "rp": {"id": place, "name": f"zedops at {place}"},
        "user": {"id": sha256(email.encode()).hexdigest(), "name": email,
                 "displayName": name or email},
        "pubKeyCredParams": [{"type": "public-key", "alg": _ES256}],
        "authenticatorSelection": {"residentKey": "required", "userVerification": "required"},
        "attestation": "none",
    }


def read_new(said: dict[str, Any], challenge: bytes, place: str, origin: str) -> bytes:
    """Check a new key, and return its public point. NotProven."""
    library = _library()
    try:
        made = library.verify_registration_response(
            credential=_trusted_shape(said), expected_challenge=challenge, expected_rp_id=place,
            expected_origin=origin, require_user_verification=True,
            supported_pub_key_algs=[library.helpers.cose.COSEAlgorithmIdentifier(_ES256)],
        )
        key = library.helpers.decode_credential_public_key(made.credential_public_key)
        return b"\x04" + bytes(key.x) + bytes(key.y)
    except (library.helpers.exceptions.WebAuthnException, ValueError, AttributeError) as error:
        raise NotProven(f"the browser's new key cannot be used: {error}") from error


def find(
    said: dict[str, Any], challenge: bytes, place: str, origin: str, keys: tuple[Passkey, ...]
) -> Passkey:
    """Find the key of the fleet that signed a challenge. NotProven if none did."""
    library = _library()
    shaped = _trusted_shape(said)
    for key in keys:
        if key.place != place:
            continue
        try:
            library.verify_authentication_response(
                credential=shaped, expected_challenge=challenge, expected_rp_id=place,
                expected_origin=origin, credential_current_sign_count=0,
                credential_public_key=_COSE_X + key.point[1:33] + _COSE_Y + key.point[33:],
                require_user_verification=True,
            )
        except (library.helpers.exceptions.WebAuthnException, ValueError):
            continue
        return key
    raise NotProven("the fleet does not know this passkey; its line belongs in allowed_signers")


def _trusted_shape(said: dict[str, Any]) -> str:
    return json.dumps(said)


def _library() -> Any:
    try:
        import webauthn
        import webauthn.helpers.exceptions
    except ImportError as error:
        remedy = "`pip install 'zedops[passkeys]'` on the manager's machine"
        raise UsageError(f"passkeys need a library; {remedy}") from error
    return webauthn


def _bytes(text: str) -> bytes:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
