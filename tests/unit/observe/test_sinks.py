"""Sinks: nothing is lost while the destination works, nothing waits while it does not."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

import pytest

from headgate.observe import sinks
from headgate.observe.destinations import Stream, destination
from headgate.observe.sinks import Sink, SinkError, open_sink
from headgate.spec import AccessLog

RECORD = b"x" * 99 + b"\n"


def eventually(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until the condition is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.002)


Pipe = tuple[FileIO, FileIO]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """The reading and the writing end of a pipe; a test may close either."""
    read, write = os.pipe()
    with FileIO(read, "r") as reader, FileIO(write, "w") as writer:
        yield reader, writer


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.ERROR]


def test_all_records_arrive_in_order(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    sink = open_sink(AccessLog(path=str(path)))
    lines = [f"record {number}\n".encode() for number in range(5000)]
    for start in range(0, len(lines), 10):
        assert sink.offer(b"".join(lines[start : start + 10]))
    sink.close()
    assert path.read_bytes() == b"".join(lines)
    assert sink.lost == 0
    assert sink.pending == 0


def test_records_are_written_without_being_asked(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    sink = open_sink(AccessLog(path=str(path)))
    sink.offer(RECORD)
    eventually(lambda: path.read_bytes() == RECORD)
    sink.close()


def test_an_unwritable_path_is_refused(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(SinkError, match="there is no folder"):
        open_sink(AccessLog(path=str(tmp_path / "none" / "access.log")))
    assert threading.active_count() == before


def test_rotation_loses_nothing(tmp_path: Path) -> None:
    path, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    sink = open_sink(AccessLog(path=str(path)))
    sink.offer(b"one\n")
    eventually(lambda: path.read_bytes() == b"one\n")
    path.rename(moved)
    sink.offer(b"two\n")
    eventually(lambda: moved.read_bytes() == b"one\ntwo\n")
    sink.reopen()
    sink.offer(b"three\n")
    eventually(lambda: path.exists() and path.read_bytes() == b"three\n")
    sink.close()
    assert moved.read_bytes() == b"one\ntwo\n"


def test_a_file_that_cannot_be_reopened_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, moved = tmp_path / "logs", tmp_path / "moved"
    folder.mkdir()
    sink = open_sink(AccessLog(path=str(folder / "access.log")))
    folder.rename(moved)
    sink.reopen()
    sink.offer(RECORD)
    eventually(lambda: (moved / "access.log").read_bytes() == RECORD)
    sink.close()
    assert len(errors(caplog)) == 1
    assert "there is no folder" in errors(caplog)[0]
    assert "still writing to the file that was open" in errors(caplog)[0]


def test_a_stopped_reader_makes_nobody_wait(pipe: Pipe) -> None:
    reader, writer = pipe
    sink = Sink(Stream("stdout", writer.fileno()), queue_bytes=100_000)
    taken = 0
    slowest = 0.0
    for _ in range(5000):
        start = time.monotonic()
        taken += sink.offer(RECORD)
        slowest = max(slowest, time.monotonic() - start)
        assert sink.pending <= 100_000
    assert slowest < 1.0
    assert 1000 <= taken < 5000
    assert not sink.offer(RECORD * 1000)

    # The reader goes on: all that was taken arrives, whole.
    received = bytearray()
    drain = threading.Thread(target=lambda: received.extend(reader.readall()), daemon=True)
    drain.start()
    eventually(lambda: sink.pending == 0)
    assert sink.offer(b"last\n")
    sink.close()
    writer.close()
    drain.join(5)
    assert bytes(received) == RECORD * taken + b"last\n"


def test_closing_ends_within_two_seconds_and_counts_what_is_left(pipe: Pipe) -> None:
    _, writer = pipe
    sink = Sink(Stream("stdout", writer.fileno()), queue_bytes=1_000_000)
    for _ in range(2000):
        assert sink.offer(RECORD)
    start = time.monotonic()
    sink.close()
    assert time.monotonic() - start < 2.75
    eventually(lambda: sink.pending == 0)
    capacity = 65_536
    assert 2000 - capacity // len(RECORD) <= sink.lost <= 2000
    assert not sink.offer(RECORD)
    sink.close()


def test_a_closed_pipe_is_said_once_and_not_spun_on(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = pipe
    reader.close()
    tries = 0

    class Counted(Stream):
        def send(self, records: bytes, start: int) -> int:
            nonlocal tries
            tries += 1
            return super().send(records, start)

    sink = Sink(Counted("stdout", writer.fileno()), queue_bytes=1000)
    sink.offer(RECORD)
    eventually(lambda: tries == 3)  # the thread goes on trying: after 0.1 s, then after 0.2 s
    said = (
        "access log: cannot write to stdout: Broken pipe; trying again, "
        "records that do not fit into the queue are dropped"
    )
    assert errors(caplog) == [said]
    for _ in range(20):
        sink.offer(RECORD)
    assert not sink.offer(RECORD)
    sink.close()
    assert tries < 10
    eventually(lambda: sink.lost == 10)
    assert errors(caplog) == [said]


class Failing(Stream):
    """A stream whose disk is full until somebody makes room; takes a few bytes first."""

    def __init__(self, name: str, descriptor: int) -> None:
        super().__init__(name, descriptor)
        self.full = True
        self.tries = 0

    def send(self, records: bytes, start: int) -> int:
        self.tries += 1
        if not self.full:
            return super().send(records, start)
        if start % len(RECORD) == 0:
            return super().send(records[: start + 7], start)
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with (tmp_path / "access.log").open("ab", buffering=0) as file:
        target = Failing("stdout", file.fileno())
        sink = Sink(target, queue_bytes=100_000)
        assert sink.offer(RECORD * 3)
        eventually(lambda: target.tries >= 3)
        target.full = False
        eventually(lambda: sink.pending == 0)
        sink.close()
    # The record of which a part was written was gone on with.
    assert (tmp_path / "access.log").read_bytes() == RECORD * 3
    messages = [record.message for record in caplog.records]
    assert len(messages) == 2
    assert "cannot write to stdout: No space left on device" in messages[0]
    assert "writing to stdout again, after 0." in messages[1]


def test_a_file_moved_while_the_disk_is_full_gets_no_half_records(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    with old.open("ab", buffering=0) as first, new.open("ab", buffering=0) as second:

        class Rotated(Failing):
            def open(self) -> None:
                super().open()
                self._original = second.fileno()

        target = Rotated("stdout", first.fileno())
        sink = Sink(target, queue_bytes=100_000)
        sink.offer(RECORD * 3)
        eventually(lambda: target.tries >= 2)
        target.full = False
        sink.reopen()
        eventually(lambda: sink.pending == 0)
        sink.close()
    # Whatever the thread could write before it reopened is in the old file; the new one has whole records.
    assert new.read_bytes() in {RECORD * 3, b""}
    assert old.read_bytes() in {RECORD[:7], RECORD * 3}
    assert bool(new.read_bytes()) == (old.read_bytes() == RECORD[:7])


def test_a_real_full_device(caplog: pytest.LogCaptureFixture) -> None:
    sink = open_sink(AccessLog(path="/dev/full", queue_bytes=1000))
    sink.offer(RECORD)
    eventually(lambda: errors(caplog))
    assert "cannot write to /dev/full: No space left on device" in errors(caplog)[0]
    sink.close()
    eventually(lambda: sink.lost == 1)


def test_each_record_is_a_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        sink = open_sink(AccessLog(path=f"syslog:udp:127.0.0.1:{receiver.getsockname()[1]}"))
        sink.offer(b'{"a":1}\n{"b":2}\n')
        assert [receiver.recv(1000).split(b" access - ")[1] for _ in range(2)] == [b'{"a":1}', b'{"b":2}']
        sink.close()


def test_a_syslog_daemon_may_start_later_and_start_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    sink = open_sink(AccessLog(path=f"syslog:{path}"))
    sink.offer(b"one\n")
    eventually(lambda: errors(caplog))
    for record in (b"one", b"two"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.settimeout(5)
            receiver.bind(str(path))
            if record == b"two":
                sink.offer(b"two\n")
            assert receiver.recv(1000).endswith(b" access - " + record)
        path.unlink()
    sink.close()
    assert sink.lost == 0
    assert f"cannot write to syslog:{path}: No such file or directory" in errors(caplog)[0]


def test_a_syslog_daemon_that_does_not_read_makes_nobody_wait(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        receiver.bind(str(path))
        sink = Sink(destination(f"syslog:{path}"), queue_bytes=10_000_000)
        for number in range(2000):
            assert sink.offer(b"%d\n" % number)
        for number in range(2000):
            assert receiver.recv(1000).rsplit(b" ")[-1] == b"%d" % number
        sink.close()
    assert sink.lost == 0


def test_a_record_that_is_too_long_for_a_datagram_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        sink = open_sink(AccessLog(path=f"syslog:udp:127.0.0.1:{receiver.getsockname()[1]}"))
        sink.offer(b"y" * 70_000 + b"\n" + b"short\n" + b"y" * 70_000 + b"\n")
        assert receiver.recv(1000).endswith(b" short")
        eventually(lambda: sink.lost == 2)
        sink.close()
    assert [record.message for record in caplog.records] == [
        f"access log: a record is too long for {sink.name}; such records are dropped"
    ]


def test_two_writers_of_one_pipe_split_no_record(pipe: Pipe) -> None:
    reader, writer = pipe
    both = [Sink(Stream("stdout", writer.fileno()), queue_bytes=10_000_000) for _ in range(2)]
    received = bytearray()
    drain = threading.Thread(target=lambda: received.extend(reader.readall()), daemon=True)
    drain.start()
    for letter, sink in zip((b"a", b"b"), both, strict=True):
        for size in range(500):
            assert sink.offer(letter * (size % 300) + b"\n")
    for sink in both:
        sink.close()
    writer.close()
    drain.join(5)
    lines = bytes(received).split(b"\n")
    assert len(lines) == 1001
    assert all(len(set(line)) <= 1 for line in lines)


def test_the_delay_grows_to_a_limit() -> None:
    assert sinks.FIRST_DELAY < 1 < sinks.LONGEST_DELAY <= 60
