"""A text in a file of its own, for the person's editor. The file stays until its text is pushed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from zedops.errors import ZedopsError


class EditedText:
    """A text that a person edits; other users of the machine cannot read the file."""

    def __init__(self, name: str, text: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="zedops-edit-")) / f"{name}.yaml"
        self._before = text.encode("utf-8", "surrogateescape")
        self.path.write_bytes(self._before)

    def open(self, editor: str) -> None:
        """Run an editor, which may have arguments, as git does. ZedopsError if it fails."""
        command = ["sh", "-c", f'{editor} "$@"', editor, str(self.path)]
        code = subprocess.run(command, check=False).returncode
        if code:
            raise ZedopsError(f"the editor ({editor}) ended with code {code}; nothing is changed")

    def is_changed(self) -> bool:
        """Say whether the file has another text than at first."""
        try:
            return self.path.read_bytes() != self._before
        except FileNotFoundError:
            return False

    def read(self) -> str:
        """Read the text. ZedopsError if it is not UTF-8."""
        try:
            return self.path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ZedopsError(f"the text is not UTF-8: {error}; nothing is changed") from error

    def remove(self) -> None:
        """Remove the file."""
        shutil.rmtree(self.path.parent, ignore_errors=True)
