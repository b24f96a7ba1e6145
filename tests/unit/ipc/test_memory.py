import os

import pytest

from headgate.ipc import MemoryRefused, read, seal, sealed


@pytest.mark.parametrize("data", [b"", b"abc", os.urandom(3_000_000)], ids=len)
def test_what_is_sealed_can_be_read_but_not_changed(data: bytes) -> None:
    fd = seal(data)
    try:
        assert sealed(fd)
        assert read(fd) == data == read(fd)
        for change in (
            lambda: os.pwrite(fd, b"x", 0),
            lambda: os.ftruncate(fd, 1),
            lambda: os.ftruncate(fd, 9_999_999),
        ):
            with pytest.raises(PermissionError):
                change()
    finally:
        os.close(fd)


def test_unsealed_memory_is_refused() -> None:
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    pipe, other = os.pipe()
    try:
        for each in (fd, pipe):
            assert not sealed(each)
            with pytest.raises(MemoryRefused):
                read(each)
    finally:
        for each in (fd, pipe, other):
            os.close(each)
