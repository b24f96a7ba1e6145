"""Texts as files, for libraries that read nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def secret_file(text: str) -> Iterator[str]:
    """The path of a file with this text that no other user can read, and that is gone afterwards: in memory
    where the system can.
    """
    if hasattr(os, "memfd_create") and os.path.exists("/proc/self/fd"):
        fd = os.memfd_create("headgate-secret", os.MFD_CLOEXEC)
        try:
            os.write(fd, text.encode())
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
        return
    import tempfile

    fd, path = tempfile.mkstemp(prefix="headgate-")  # for this user only
    try:
        os.write(fd, text.encode())
        yield path
    finally:
        os.close(fd)
        os.unlink(path)
