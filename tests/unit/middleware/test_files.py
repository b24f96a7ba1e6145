"""Files that are read again when they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headgate.middleware import files
from headgate.middleware.files import WatchedFiles, lines_of
from support.hooks import Alone


def texts(contents: dict[str, bytes]) -> list[str]:
    if b"broken" in contents.values():
        raise ValueError("it is broken")
    return [content.decode() for content in contents.values()]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(files, "time", clock)
    return clock


async def looked(watched: WatchedFiles[list[str]]) -> list[str]:
    if (looking := watched.look()) is not None:
        await looking
    return watched.value


async def test_a_change_is_seen_at_once_after_a_quiet_time(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    worker = Alone()
    watched = WatchedFiles(worker, [str(file)], texts)
    file.write_text("newer")
    assert await looked(watched) == ["old"], "nobody looks within the first second"
    clock.now += 5
    assert await looked(watched) == ["newer"]
    assert worker.lines == [f"read again: {file}"]


async def test_nobody_waits_while_there_is_traffic(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    watched = WatchedFiles(Alone(), [str(file)], texts)
    file.write_text("newer")
    clock.now += 1.5
    assert watched.look() is None
    task = watched._task
    assert task is not None
    await task
    assert watched.value == ["newer"]


async def test_a_file_that_cannot_be_used_changes_nothing(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    worker = Alone()
    watched = WatchedFiles(worker, [str(file)], texts)
    file.write_text("broken")
    for _ in range(3):
        clock.now += 5
        assert await looked(watched) == ["old"]
    assert worker.lines == ["it is broken; what was read before stays"]
    file.unlink()
    clock.now += 5
    assert await looked(watched) == ["old"]
    assert "No such file" in worker.lines[-1]
    new = tmp_path / "new"
    new.write_text("there")
    os.replace(new, file)  # noqa: PTH105 - as programs do that write a file aside
    clock.now += 5
    assert await looked(watched) == ["there"]


async def test_no_files_cost_no_looks(clock: Clock) -> None:
    worker = Alone()
    watched = WatchedFiles(worker, [], texts)
    clock.now += 1e9
    assert watched.look() is None
    assert worker.threads == 0


def test_lines_and_comments() -> None:
    content = b"\xef\xbb\xbf# all\r\n\r\n one # two\n\ttwo\n"
    assert list(lines_of("f", content)) == [("f:3", "one"), ("f:4", "two")]
    with pytest.raises(ValueError, match=r"f is no text in UTF-8: .* at byte 2"):
        list(lines_of("f", b"ab\xff"))
