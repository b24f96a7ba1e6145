"""docs/tutorial-middleware.md, followed word by word."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ports import free_port
from support.product import until

PAGE = Path(__file__).parents[2] / "docs" / "tutorial-middleware.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECONDS = 60


class Reader:
    """Somebody who does what the page says, in a folder and a virtual environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        venv.create(folder / "venv")
        # With what .pth files say there, too: an editable installation is one.
        folder_of_others = sysconfig.get_paths()["purelib"]
        (self.library / "others.pth").write_text(f"import site; site.addsitedir({folder_of_others!r})")
        for name, module in (("headgate", "headgate.cli"), ("pip", "pip"), ("pytest", "pytest")):
            script = self.folder / "venv" / "bin" / name
            script.write_text(f'#!/bin/sh\nexec {self.folder}/venv/bin/python -m {module} "$@"\n')
            script.chmod(0o755)
        self.running: subprocess.Popen[bytes] | None = None

    @property
    def library(self) -> Path:
        return next((self.folder / "venv" / "lib").glob("python*/site-packages"))

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder}/venv/bin:{os.environ['PATH']}"
        # pip reads this one upside down: the build takes the setuptools that is there.
        return {**os.environ, "PATH": path, "PIP_NO_BUILD_ISOLATION": "0"}

    def do(self, block: str) -> str:
        """Type a block of commands; what they wrote. Servers go on in the background."""
        said = ""
        for command in block.replace("8080", str(self.port)).strip().splitlines():
            if command.startswith("cd "):
                self.folder_now = self.folder / command.removeprefix("cd ")
                config = self.folder_now / "headgate.yaml"
                config.write_text(config.read_text().replace("8080", str(self.port)))
            elif command.startswith("headgate run"):
                self.running = subprocess.Popen(
                    shlex.split(command), cwd=self.folder_now, env=self.environment, stdout=subprocess.DEVNULL
                )
                until(lambda: self.do("curl -s http://127.0.0.1:8080/") == "hello\n", "the server")
            else:
                said += self._one(command)
        return said

    folder_now: Path

    def _one(self, command: str) -> str:
        done = subprocess.run(
            shlex.split(command),
            cwd=getattr(self, "folder_now", self.folder),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=None if command.startswith("curl") else subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0 or command.startswith("curl"), f"{command}:\n{done.stdout}"
        return done.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    if made.running is not None:
        made.running.terminate()
        assert made.running.wait(SECONDS) == 0


def test_the_tutorial_word_by_word(reader: Reader) -> None:
    blocks = FENCE.findall(PAGE.read_text())
    assert [kind for kind, _ in blocks] == ["sh", "sh", "sh", "python", "sh", "python", "sh", "sh"]
    make, run, ask, changed, ask_again, new_test, test, publish = (text for _, text in blocks)
    assert "3 passed" in reader.do(make)
    assert "valid" in reader.do(run)
    said = reader.do(ask)
    assert "x-mark: by-us" in said.lower()
    assert " 403 " in said
    code = reader.folder_now / "src" / "robot_marks" / "__init__.py"
    code.write_text(changed)
    until(lambda: " 429 " in reader.do(ask_again), "the change to be taken up")
    assert "retry-after: 60" in reader.do(ask_again).lower()
    tests = reader.folder_now / "tests" / "test_robot_marks.py"
    old = re.compile(r"^def test_robots_are_refused.*?\n\n\n", re.MULTILINE | re.DOTALL)
    tests.write_text(old.sub(lambda _: new_test + "\n\n", tests.read_text()))
    assert "3 passed" in reader.do(test)
    assert "valid" in reader.do(publish)
    assert "type: robot_marks" in (reader.folder_now / "headgate.yaml").read_text()
