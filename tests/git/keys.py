"""Keys that people sign commits with: ssh's and OpenPGP's. For tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.git.people import Person


def ssh_key(folder: Path, name: str) -> Path:
    """Make an ssh key; returns the path of its public half."""
    secret = folder / f"{name}.key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(secret))
    return secret.with_suffix(".key.pub")


def allowed(**keys: Path) -> str:
    """Write lines of `allowed_signers`: people's keys by their names."""
    lines = [f'{name}@example.org namespaces="git" {key.read_text()}' for name, key in keys.items()]
    return "".join(lines)


def sign_with_ssh(person: Person, key: Path) -> None:
    """Have a person sign every commit with an ssh key."""
    for name, value in (("gpg.format", "ssh"), ("user.signingkey", str(key)),
                        ("commit.gpgsign", "true")):
        person.git("config", name, value)


class Gpg:
    """A person's own keyring; `close` ends the agent that guards its secret keys."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self._env = {**os.environ, "GNUPGHOME": str(folder)}
        self.program = folder / "gpg"
        self.program.write_text(f'#!/bin/sh\nGNUPGHOME={folder} exec gpg "$@"\n')
        self.program.chmod(0o755)

    def make(self, name: str) -> str:
        """Make a key; returns its public half."""
        who = f"{name.title()} <{name}@example.org>"
        self("--batch", "--quiet", "--passphrase", "", "--quick-gen-key", who, "ed25519", "sign")
        return self("--armor", "--export", f"{name}@example.org")

    def sign(self, person: Person, name: str) -> None:
        """Have a person sign every commit with a key."""
        for key, value in (("gpg.format", "openpgp"), ("gpg.program", str(self.program)),
                           ("user.signingkey", f"{name}@example.org"), ("commit.gpgsign", "true")):
            person.git("config", key, value)

    def close(self) -> None:
        """End the agent."""
        subprocess.run(["gpgconf", "--kill", "all"], env=self._env, check=True)

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(["gpg", *arguments], env=self._env, capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def run(*command: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
