import os
import signal
import sys
from pathlib import Path

import pytest

from headgate.ipc import Message
from headgate.supervisor.child import Child
from headgate.supervisor.loop import Loop

PROGRAM = """
import signal, socket, sys
from headgate.ipc import Channel
channel = Channel(socket.socket(fileno=int(sys.argv[1])), "test")
blocked = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
channel.send("blocked", {"signals": [int(each) for each in blocked], "stdin": sys.stdin.read()})
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that children can run, called `role_of_a_test`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    file = tmp_path / "role_of_a_test.py"
    file.write_text(PROGRAM)
    return file


def run(end: str = "") -> tuple[list[Message], str]:
    """Run the module until it ends; returns its messages and the reason."""
    loop = Loop()
    messages: list[Message] = []
    reasons: list[str] = []

    def exited(reason: str) -> None:
        reasons.append(reason)
        loop.stop(0)

    child = Child(loop, "role_of_a_test", messages.append, exited)

    def ended() -> None:
        child.reap()

    loop.on_signals({signal.SIGCHLD: ended})
    if end:
        loop.later(0.0, child.kill)
    loop.later(20.0, lambda: loop.stop(1))
    assert loop.run() == 0
    loop.close()
    assert child.reap()
    return messages, reasons[0]


def test_last_messages_come_before_the_end(module: Path) -> None:
    messages, reason = run()
    assert [message.kind for message in messages] == ["hello", "blocked"]
    assert set(messages[1].body["signals"]) == {signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
    assert messages[1].body["stdin"] == ""
    assert reason == "ended with exit code 0"


def test_exit_codes_and_signals_are_named(module: Path) -> None:
    module.write_text("raise SystemExit(7)")
    assert run()[1] == "ended with exit code 7"
    module.write_text("import time; time.sleep(60)")
    assert run("kill")[1] == "was killed by SIGKILL"


def test_one_that_speaks_nonsense_is_killed(module: Path, capfd: pytest.CaptureFixture[str]) -> None:
    module.write_text(
        f"import os, sys, time; os.write(int(sys.argv[1]), b'x' * 99); time.sleep(60)  # {sys.version}"
    )
    assert run()[1] == "was killed by SIGKILL"
    assert "is stopped: a message of" in capfd.readouterr().err


def test_a_descriptor_number_that_is_used_again_is_watched_again(module: Path) -> None:
    module.write_text("raise SystemExit(0)")
    loop = Loop()
    first = Child(loop, "role_of_a_test", lambda _: None, lambda _: None)
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
    first.send("into the void")  # breaks before its end was read
    assert first.reap()
    # It must be heard while it lives, not only at its end.
    module.write_text(PROGRAM + "import time; time.sleep(60)")
    second = Child(loop, "role_of_a_test", lambda _: loop.stop(0), lambda _: None)
    loop.later(20.0, lambda: loop.stop(1))
    code = loop.run()
    second.kill()
    os.waitid(os.P_PID, second.pid, os.WEXITED | os.WNOWAIT)
    assert second.reap()
    loop.close()
    assert code == 0
