"""When files of certificates are read again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from headgate.controller.certificates.watching import Watch, signature


class Reader:
    """Counts how often it was asked to read."""

    def __init__(self, *files: Path) -> None:
        self.files = [str(file) for file in files]
        self.due = 0.0
        self.reads = 0
        self.watch = Watch(lambda: self.files, lambda: self.due, self.renew)

    async def renew(self) -> None:
        self.reads += 1

    async def looks(self, times: int = 1) -> int:
        for _ in range(times):
            await self.watch.look()
        return self.reads


LATER = time.time() + 3600  # everything was written before it was read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a.crt"
    file.write_text("one")
    return file


def write(file: Path, text: str) -> None:
    file.write_text(text)


def replace(file: Path, text: str) -> None:
    """Put another file in its place that looks as old."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    os.utime(draft, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    draft.rename(file)


def written(file: Path) -> float:
    return file.stat().st_mtime


def remove(file: Path) -> None:
    file.unlink()


async def test_what_does_not_change_is_not_read(file: Path) -> None:
    reader = Reader(file)
    reader.watch.settle(LATER)
    assert await reader.looks(5) == 0


async def test_a_change_is_read_when_it_is_over(file: Path) -> None:
    reader = Reader(file)
    reader.watch.settle(LATER)
    write(file, "second")
    assert await reader.looks() == 0
    write(file, "third one")
    assert await reader.looks() == 0
    assert await reader.looks() == 1
    assert await reader.looks(3) == 1


async def test_a_file_that_is_put_in_place_by_renaming(file: Path) -> None:
    reader = Reader(file)
    reader.watch.settle(LATER)
    replace(file, "two")  # as long as before
    assert await reader.looks(2) == 1


async def test_links_that_are_swapped_as_kubernetes_does(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "tls.crt").write_text(version)
    (tmp_path / "..data").symlink_to("v1")
    file = tmp_path / "tls.crt"
    file.symlink_to("..data/tls.crt")
    reader = Reader(file)
    reader.watch.settle(LATER)
    (tmp_path / "..data_tmp").symlink_to("v2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert file.read_text() == "v2"
    assert await reader.looks(2) == 1


async def test_a_file_that_goes_and_comes(file: Path) -> None:
    reader = Reader(file)
    reader.watch.settle(LATER)
    remove(file)
    assert await reader.looks(2) == 1
    write(file, "one")
    assert await reader.looks(2) == 2


async def test_what_was_written_while_it_was_read_is_read_again(file: Path) -> None:
    reader = Reader(file)
    reader.watch.settle(written(file) - 1)
    assert await reader.looks() == 1
    assert await reader.looks(3) == 1


async def test_other_files_after_a_reload(file: Path, tmp_path: Path) -> None:
    reader = Reader(file)
    reader.watch.settle(LATER)
    other = tmp_path / "b.crt"
    other.write_text("other")
    reader.files = [str(other)]
    reader.watch.settle(LATER)
    assert await reader.looks(3) == 0


async def test_what_is_due_is_done_without_a_change(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(file)
    reader.watch.settle(LATER)
    now = time.time()
    reader.due = now + 100
    clock = [now + 99.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    assert await reader.looks() == 0
    clock[0] = now + 101
    assert await reader.looks() == 1
    assert await reader.looks(5) == 1  # it did not help; not again at once
    clock[0] = now + 200
    assert await reader.looks() == 2


async def test_once_a_day_everything_is_looked_at(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(file)
    reader.watch.settle(LATER)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 24 * 3600 + 1)
    assert await reader.looks() == 1


def test_no_file_is_a_state_too() -> None:
    assert signature(["/no/such/file", "bad\0name"]) == ((), ())
