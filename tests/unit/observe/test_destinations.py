"""What access_log.path may say, and what is said when it is wrong."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.observe.destinations import File, SinkError, Stream, Syslog, destination


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("stdout", Stream),
        ("stderr", Stream),
        ("/var/log/access.log", File),
        ("access.log", File),
        ("syslog:/dev/log", Syslog),
        ("syslog:udp:127.0.0.1:5140", Syslog),
        ("syslog:udp:logs.example.com", Syslog),
        ("syslog:udp:[::1]:514", Syslog),
        ("syslog:udp:[::1]", Syslog),
    ],
)
def test_every_kind_of_path(path: str, kind: type) -> None:
    found = destination(path)
    assert type(found) is kind
    assert found.name == path


@pytest.mark.parametrize(
    "path",
    [
        "syslog:",
        "syslog:log",
        "syslog:tcp:127.0.0.1:514",
        "syslog:udp:",
        "syslog:udp::514",
        "syslog:udp:host:0",
        "syslog:udp:host:65536",
        "syslog:udp:host:port",
        "syslog:udp:host:٣",
        "syslog:udp:::1:514",
        "syslog:udp:" + "x" * 64 + ":514",
    ],
)
def test_a_syslog_receiver_that_is_none(path: str) -> None:
    with pytest.raises(SinkError) as error:
        destination(path)
    assert str(error.value) == (
        f"access log: {path} names no syslog receiver; "
        "write syslog:/dev/log, syslog:udp:host:port or syslog:udp:[address]:port"
    )


def test_no_path() -> None:
    with pytest.raises(SinkError, match="write stdout, stderr, a file, or syslog:/dev/log"):
        destination("")


def test_a_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = File(str(tmp_path / "access.log"))
        file.open()
    finally:
        os.umask(before)
    file.close()
    assert stat.S_IMODE((tmp_path / "access.log").stat().st_mode) == 0o640


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"old\n")
    file = File(str(path))
    file.open()
    assert file.send(b"one\ntwo\n", 4) == 8
    file.close()
    assert path.read_bytes() == b"old\ntwo\n"


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "file").touch()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, reason in [
        (
            tmp_path / "none" / "a.log",
            f"there is no folder {tmp_path / 'none'}; make it, or set access_log.path",
        ),
        (tmp_path, "it is a folder; set access_log.path to a file in it"),
        (fifo, "it is a FIFO or socket that nobody reads; start the reader first"),
        (tmp_path / "file" / "a.log", "Not a directory; mend it, or set access_log.path to another file"),
        (loop, "Too many levels of symbolic links; mend it, or set access_log.path to another file"),
    ]:
        with pytest.raises(SinkError) as error:
            File(str(path)).open()
        assert str(error.value).startswith(f"access log: cannot write {path}: {reason}")


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may write everywhere, so root becomes somebody else for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    yield
    os.seteuid(user)


def test_a_missing_right_names_the_user(nobody: None) -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    with pytest.raises(SinkError) as error:
        File("/headgate-access.log").open()
    assert f"user {name} has no right to write there; give it the right, or set" in str(error.value)


def test_a_closed_stream() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(
        SinkError, match=r"stdout is closed \(Bad file descriptor\); set access_log.path to a file"
    ):
        Stream("stdout", writer).open()


def test_closing_leaves_the_stream_itself_open() -> None:
    reader, writer = os.pipe()
    stream = Stream("stdout", writer)
    stream.open()
    stream.close()
    assert os.write(writer, b"x") == 1
    os.close(reader)
    os.close(writer)


def test_pipes_get_whole_records() -> None:
    reader, writer = os.pipe()
    stream = Stream("stdout", writer)
    stream.open()
    records = (b"x" * 999 + b"\n") * 10
    assert stream.send(records, 0) == 4000
    assert stream.send(records, 4000) == 8000
    assert stream.send(b"y" * 10_000 + b"\n", 0) == 4096
    stream.close()
    os.close(reader)
    os.close(writer)


def test_a_full_pipe_is_said_to_be_full() -> None:
    reader, writer = os.pipe()
    stream = Stream("stdout", writer)
    stream.open()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, bytes(65_536)):
            pass
    with pytest.raises(BlockingIOError):
        stream.send(b"x\n", 0)
    stream.wait(0.01)
    stream.close()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET, socket.AF_INET6])
def test_syslog_messages_are_those_of_rfc_5424(family: socket.AddressFamily, tmp_path: Path) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        if family == socket.AF_UNIX:
            receiver.bind(str(tmp_path / "log"))
            path = f"syslog:{tmp_path / 'log'}"
        elif family == socket.AF_INET:
            receiver.bind(("127.0.0.1", 0))
            path = f"syslog:udp:127.0.0.1:{receiver.getsockname()[1]}"
        else:
            receiver.bind(("::1", 0))
            path = f"syslog:udp:[::1]:{receiver.getsockname()[1]}"
        syslog = destination(path)
        syslog.open()
        assert syslog.send(b"one\ntwo\n", 0) == 4
        assert syslog.send(b"one\ntwo\n", 4) == 8
        messages = [receiver.recv(1000).decode() for _ in range(2)]
        syslog.close()
    host = socket.gethostname()
    for message, record in zip(messages, ("one", "two"), strict=True):
        version, stamp, where, what, process, kind, data, text = message.split(" ")
        assert version == "<134>1"
        assert len(stamp) == 20
        assert (where, what, process, kind) == (host, "headgate", str(os.getpid()), "access")
        assert (data, text) == ("-", record)
