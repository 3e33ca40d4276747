"""The server's TLS certificate and the one authority that signs it.

Agents trust that authority and no other, for ten years. The server's certificate lasts one year;
its replacement goes unnoticed by agents.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zedops.errors import UsageError, ZedopsError

CA_LASTS = timedelta(days=3653)
SERVER_LASTS = timedelta(days=365)
#: A certificate with less than this left is replaced.
RENEW_BEFORE = timedelta(days=30)
#: Clocks of hosts differ: a certificate is valid from a little before it was made.
_SKEW = timedelta(hours=1)
_ALWAYS = ("localhost", "127.0.0.1")


def ssl_context(ca_pem: str) -> ssl.SSLContext:
    """Build a client's TLS context: it trusts `ca_pem` alone, and checks the server's name.

    Also connect with `tls_handshake_first=True`: nats-py goes on in plain text where a server
    claims to have no TLS, and a machine in between could claim that.
    """
    try:
        return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise ZedopsError("this is no certificate; join again with a new token") from error


def new_ca(now: datetime) -> bytes:
    """Make an authority: its key and its certificate, PEM, in one file that stays together."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "zedops fleet authority")])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(name, name, key.public_key(), now, now + CA_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pack(key, certificate)


def new_server(ca: bytes, names: Iterable[str], now: datetime) -> bytes:
    """Make the server's key and certificate for `names` (DNS names and addresses), PEM."""
    ca_key, issuer = _unpack(ca)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "zedops nats-server")])
    ends = min(now + SERVER_LASTS, issuer.not_valid_after_utc)
    if ends <= now:
        raise ZedopsError("the fleet's certificate authority has expired; join every host again")
    server_auth = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        _builder(name, issuer.subject, key.public_key(), now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(server_auth, critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    return _pack(key, certificate)


def is_good(server: bytes, ca: bytes, names: Iterable[str], now: datetime) -> bool:
    """Say whether this authority signed the certificate, for these names, and it lasts."""
    _, certificate = _unpack(server)
    _, issuer = _unpack(ca)
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError):
        return False
    # near the authority's own end no certificate lasts longer
    wanted = min(now + RENEW_BEFORE, issuer.not_valid_after_utc)
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        return False
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    same = set(held) == set(_alternatives(names))
    return same and certificate.not_valid_after_utc >= wanted


def public_part(packed: bytes) -> str:
    """Take the certificate without its key, PEM."""
    _, certificate = _unpack(packed)
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(ends)
        # Python 3.13 and newer refuse certificates without key identifiers (RFC 5280, 4.2.1.2)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, key_cert_sign=key_cert_sign, crl_sign=crl_sign,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )


def _alternatives(names: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in sorted({*names, *_ALWAYS}):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(_dns(name))
    return found


def _dns(name: str) -> x509.DNSName:
    try:
        return x509.DNSName(name.encode("idna").decode())
    except ValueError as error:
        raise UsageError(f"{name!r} is neither a DNS name nor an address; use one") from error


def _pack(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _unpack(packed: bytes) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = serialization.load_pem_private_key(packed, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key of zedops")
    return key, x509.load_pem_x509_certificate(packed)
