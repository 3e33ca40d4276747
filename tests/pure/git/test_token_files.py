"""git itself reads a token from the person's file: the settings name the file and hold no token."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from zedops.errors import UsageError
from zedops.git import credentials

URL = "https://git.example:8443/me/fleet.git"


def filled(settings: list[tuple[str, str]], url: str) -> str:
    """Ask git who to be to a server, with these settings and no others."""
    options = [word for key, value in settings for word in ("-c", f"{key}={value}")]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
                   "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}
    return subprocess.run(
        ["git", *options, "credential", "fill"], input=f"url={url}\n\n", capture_output=True,
        text=True, check=False, env=environment,
    ).stdout


@pytest.mark.parametrize("name", ["token", "it's a $file"])
@pytest.mark.parametrize("text", ["s3cret\n", "# from the forge\n\n  s3cret \n", "s3cret"])
def test_git_reads_a_bare_token(tmp_path: Path, text: str, name: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    file.chmod(0o600)
    settings = credentials.helper(file, URL)
    assert "password=s3cret\n" in filled(settings, URL)
    assert "username=zedops\n" in filled(settings, URL)
    assert "s3cret" not in filled(settings, "https://elsewhere.example/fleet.git")
    assert "s3cret" not in str(settings)


def test_git_reads_a_line_with_the_server_in_it(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("https://me:s3cret@git.example:8443\n")
    file.chmod(0o600)
    settings = credentials.helper(file, URL)
    assert "username=me\npassword=s3cret\n" in filled(settings, URL)
    assert "s3cret" not in str(settings)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others; chmod 600"):
        credentials.helper(file, URL)
