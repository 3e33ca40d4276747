"""A disk or network share that answers each question with an error, or not at all. For tests.

It is mounted over a directory: a file system of this process (FUSE) that knows one reply. See
libfuse's include/fuse_kernel.h for its messages. Only root may mount it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import threading
from pathlib import Path

_DEVICE = Path("/dev/fuse")
#: Kinds of messages: the first one, and those without a reply.
_INIT, _NO_REPLY = 26, (2, 36, 42)
_HEAD, _REPLY, _BEGIN = struct.Struct("IIQ"), struct.Struct("IiQ"), struct.Struct("IIIIHHIIHHI24x")
_MOST = 1 << 17
_DETACH = 2


def missing() -> str | None:
    """Say what keeps this machine from having one; None if nothing does."""
    if os.geteuid() != 0:
        return "mounts, which only root may make"
    return None if _DEVICE.exists() else str(_DEVICE)


class BrokenDisk:
    """A directory on a broken disk, until `mend`. `error` None: nothing answers."""

    def __init__(self, at: Path, error: int | None) -> None:
        self._at, self._error = os.fsencode(at), error
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if self._libc.mount(b"broken", self._at, b"fuse.broken", 0, options):
            os.close(self._device)
            raise OSError(ctypes.get_errno(), "mount")
        self._unanswered: list[int] = []
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        while True:
            try:
                _, kind, number = _HEAD.unpack_from(os.read(self._device, _MOST))
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):  # the asker went away
                    continue
                return  # unmounted
            if kind == _INIT:
                said = _BEGIN.pack(7, 31, 1 << 16, 0, 12, 9, 4096, 1, 1, 0, 0)
                os.write(self._device, _REPLY.pack(_REPLY.size + len(said), 0, number) + said)
            elif kind not in _NO_REPLY and self._error is not None:
                self._refuse(number, self._error)
            elif kind not in _NO_REPLY:
                self._unanswered.append(number)

    def _refuse(self, number: int, error: int) -> None:
        with contextlib.suppress(OSError):  # the asker went away
            os.write(self._device, _REPLY.pack(_REPLY.size, -error, number))

    def mend(self) -> None:
        """Have the directory back; then questions without an answer end with an error."""
        if self._libc.umount2(self._at, _DETACH):
            raise OSError(ctypes.get_errno(), "umount")
        for number in self._unanswered:
            self._refuse(number, errno.EIO)
        os.close(self._device)
