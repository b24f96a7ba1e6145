"""Bytes handed from role to role in a memfd that nobody can change any more."""

from __future__ import annotations

import fcntl
import os

_SEALS = 0
if hasattr(os, "memfd_create"):
    _SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class MemoryRefused(ValueError):
    """The descriptor is no sealed memory."""


def seal(data: bytes, name: str = "headgate") -> int:
    """A descriptor with `data` in it, sealed against every change."""
    if not _SEALS:
        return _temporary(data)
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    _write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def _temporary(data: bytes) -> int:
    import tempfile  # only where there is no memfd

    fd, path = tempfile.mkstemp(prefix="headgate-")
    os.unlink(path)
    _write(fd, data)
    return fd


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sealed(fd: int) -> bool:
    """Whether nobody can change what is behind `fd`. Where there is no sealing, always."""
    if not _SEALS:
        return True
    try:
        return fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS == _SEALS
    except OSError:
        return False


def read(fd: int) -> bytes:
    """The bytes behind `fd`, which stays open. Raises MemoryRefused when it is not sealed."""
    if not sealed(fd):
        raise MemoryRefused(f"descriptor {fd} is no sealed memory")
    size = os.fstat(fd).st_size
    pieces = []
    at = 0
    while at < size and (piece := os.pread(fd, size - at, at)):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)
