"""What the benchmarks know of a proxy: how it is told what to do, and its process."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import routes
from benchmarks.processes import BenchError, Process, find_program, pinned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a proxy is told: the same for all of them."""

    port: int
    admin_port: int
    backend_port: int
    core: int
    folder: Path
    workers: int = 1
    access_log: bool = False
    routes: int = 0
    """0: everything goes to the backend; otherwise so many routes of benchmarks.routes."""
    spoken: str = "http1"
    """What the work speaks: http1 on `port`; "tls" and "h2c" on `second_port`, beside it."""
    second_port: int = 0
    certificate: str = ""
    """With TLS: a file with a certificate and its key."""
    upstream: str = "http1"
    """What the backend speaks: http1, or h2c."""
    endpoints: int = 1
    """So many addresses of the backend: 127.0.0.1, 127.0.0.2 and so on."""
    service: Mapping[str, Any] = field(default_factory=dict)
    """What Headgate is told more of its service and route."""
    route: Mapping[str, Any] = field(default_factory=dict)
    middlewares: Mapping[str, Any] = field(default_factory=dict)
    """Middlewares of its file, among them `mark:Mark`."""

    @property
    def work_port(self) -> int:
        return self.port if self.spoken == "http1" else self.second_port


class Peer(ABC):
    """A proxy with one worker on one core, metrics on, in front of the backend."""

    name: ClassVar[str]
    title: ClassVar[str]
    program: ClassVar[str]
    install: ClassVar[str]
    """The command that installs it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._process: Process | None = None

    @classmethod
    def path(cls) -> str:
        """Where the program is. Raises BenchError when it is not installed."""
        found = find_program(cls.program)
        if found is None:
            raise BenchError(f"{cls.title} is not installed: {cls.install}")
        return found

    @classmethod
    def version(cls) -> str:
        """The program's own words, one line."""
        command = [cls.path(), *cls.version_arguments()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return cls.version_line((done.stdout + done.stderr).strip())

    @classmethod
    def version_arguments(cls) -> list[str]:
        return ["--version"]

    @classmethod
    def version_line(cls, text: str) -> str:
        return " ".join(text.splitlines()[0].split()) if text else "unknown"

    @abstractmethod
    def configure(self) -> list[str]:
        """Write the configuration into the folder; the command that runs it in the foreground."""

    def environ(self) -> Mapping[str, str]:
        return {}

    @property
    def command(self) -> list[str]:
        return self.process.command

    @property
    def process(self) -> Process:
        if self._process is None:
            raise BenchError(f"{self.title} is not running")
        return self._process

    def start(self) -> Process:
        """Start without waiting."""
        self.setting.folder.mkdir(parents=True, exist_ok=True)
        command = pinned(self.setting.core, self.configure())
        self._process = Process(self.name, command, self.setting.folder, self.environ())
        return self._process

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        try:
            self.start().wait_ready(
                self.setting.port, *(routes.READY if self.setting.routes else ("/small",))
            )
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
