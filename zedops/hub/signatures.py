"""Finds the signers of commits with git's own verification by ssh-keygen and gpg.

Keys come only from a commit of the fleet, never from this user's configuration or a key server.
Sources: git-log(1) on `%G?`, git-config(1) on `gpg.*`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from zedops.errors import GitFailed
from zedops.fleet.access import OPENPGP_KEYS, SSH_KEYS, Signer
from zedops.git.repository import Repository

_FORMAT = "%H%x00%G?%x00%GS%x00%GP"
#: gpg trusts every key of the fleet, fetches none and starts no agent.
_GPG_CONF = "trust-model always\nno-autostart\nno-auto-key-retrieve\nno-auto-key-import\n"
_FAULTS = {
    "N": "is not signed",
    "B": "has a bad signature: the commit or the signature was changed",
    "U": f"is signed with a key that is not in {SSH_KEYS}",
    "E": f"is signed with a key that is not in {OPENPGP_KEYS}",
    "X": "has a signature that has expired",
    "Y": "is signed with a key that has expired",
    "R": "is signed with a key that was revoked",
}
_GOOD = "G"
#: The program that git runs for each kind of signature.
_PROGRAMS = {SSH_KEYS: "ssh-keygen", OPENPGP_KEYS: "gpg"}
_MOST_BYTES = 1 << 20
#: The validity of a line in `allowed_signers`: YYYYMMDD, then optionally HHMM or HHMMSS, and Z.
_VALID = re.compile(rb'valid-(after|before)="?([0-9]{8})([0-9]{4}|[0-9]{6})?(Z?)\b', re.IGNORECASE)


def signers(repository: Repository, keys_of: str, commits: Iterable[str]) -> dict[str, Signer]:
    """Find the signers of commits, by the keys in the commit `keys_of`."""
    wanted = list(dict.fromkeys(commits))
    if not wanted:
        return {}
    with _keys(repository, keys_of) as folder:
        out = repository.with_env(_environment(folder)).pipe(
            "log", "--no-walk=unsorted", "--stdin", f"--format={_FORMAT}",
            stdin="".join(f"{each}\n" for each in wanted).encode(),
        )
    # not by `splitlines`: a key's name may hold other line separators
    lines = out.decode("utf-8", "replace").removesuffix("\n").split("\n")
    return {each.commit: each for each in map(_signer, lines)}


def _signer(line: str) -> Signer:
    commit, verdict, who, fingerprint = line.split("\0")
    if verdict != _GOOD:
        return Signer(commit, fault=_FAULTS.get(verdict, _FAULTS["B"]))
    # for OpenPGP the address in the key's name, which comes from the keyring
    address = who.rpartition("<")[2].removesuffix(">") if who.endswith(">") else who
    return Signer(commit, tuple(each for each in (address, fingerprint) if each))


@contextmanager
def _keys(repository: Repository, commit: str) -> Iterator[Path]:
    """Write a commit's keys into a directory, in the formats of git's tools."""
    entries = {
        path: each for path, each in repository.tree(commit, SSH_KEYS, OPENPGP_KEYS).items()
        if path in _PROGRAMS and each.is_file
    }  # fmt: skip
    blobs = repository.objects.blobs((each.blob for each in entries.values()), most=_MOST_BYTES)
    texts = {path: blobs[each.blob] for path, each in entries.items()}
    for path in texts:
        if not shutil.which(_PROGRAMS[path]):
            fact = f"signatures cannot be checked: {_PROGRAMS[path]} is not installed"
            raise GitFailed(f"{fact}; install it where the hub is")
    with tempfile.TemporaryDirectory(prefix="zedops-keys-") as name:
        folder = Path(name)
        (folder / SSH_KEYS).write_bytes(_valid_now(texts.get(SSH_KEYS, b""), datetime.now(UTC)))
        (folder / "gpg.conf").write_text(_GPG_CONF)
        if OPENPGP_KEYS in texts:
            done = subprocess.run(
                ["gpg", "--homedir", name, "--batch", "--quiet", "--import"],
                input=texts[OPENPGP_KEYS], capture_output=True, check=False,
            )
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip().splitlines()
                raise GitFailed(f"{OPENPGP_KEYS}: {said[-1] if said else 'gpg cannot read it'}")
        yield folder


def _valid_now(keys: bytes, now: datetime) -> bytes:
    """Remove the keys that are not valid today.

    git checks a key's validity at the commit's own date, and the signer chooses that date.
    """
    return b"".join(line for line in keys.splitlines(keepends=True)
                    if all(_holds(each, now) for each in _VALID.finditer(line)))


def _holds(bound: re.Match[bytes], now: datetime) -> bool:
    which, day, clock, zone = bound.groups()
    here = now if zone else now.astimezone()
    at = here.strftime("%Y%m%d%H%M%S").encode()
    limit = (day + (clock or b"")).ljust(len(at), b"0")
    return at >= limit if which.lower() == b"after" else at < limit


def _environment(folder: Path) -> dict[str, str]:
    """Make git use only these keys and ignore the user's settings (git(1), GIT_CONFIG_*)."""
    config = {
        "gpg.ssh.allowedSignersFile": str(folder / SSH_KEYS),
        "gpg.ssh.revocationFile": "",
        "gpg.ssh.program": "ssh-keygen",
        "gpg.program": "gpg",
        "gpg.x509.program": "false",  # a fleet holds no keys of this kind
        "log.showSignature": "false",
        "gpg.minTrustLevel": "undefined",
    }
    env = {"GNUPGHOME": str(folder), "GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env
