"""Load generators: wrk as fast as the proxy can, h2load at a steady rate."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.processes import BenchError, find_program, pinned

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT = Path(__file__).with_name("load.lua")

# The request fields of a browser and an API client together: 12 beside Host.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/129.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.9,de;q=0.7",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cookie": "session=8f1a9c2b7d6e5f4a3b2c1d0e9f8a7b6c; theme=dark; _ga=GA1.2.1234567890.1700000000; "
    "csrftoken=abcdefghijklmnopqrstuvwxyz012345",
    "Cache-Control": "no-cache",
    "Referer": "https://www.example.com/some/page?with=query&and=more",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "X-Request-Id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "Authorization": "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it is sent, with the fields of BROWSER."""

    method: str = "GET"
    path: str = "/small"
    host: str = "www.example.com"
    headers: Mapping[str, str] = field(default_factory=dict)
    body_bytes: int = 0

    def encode(self) -> bytes:
        """The bytes on the wire."""
        fields = {"Host": self.host, **BROWSER, **self.headers}
        if self.body_bytes:
            fields["Content-Length"] = str(self.body_bytes)
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in fields.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + b"x" * self.body_bytes


class Outcome(msgspec.Struct, frozen=True):
    """What a load generator saw."""

    requests: int
    seconds: float
    bytes: int
    broken: int
    """Requests that were not answered: connect, read, write errors and timeouts."""
    refused: int
    """Answers of 400 and above."""
    p50_us: float
    p99_us: float
    p999_us: float


class Wrk:
    """A closed loop: every connection sends its next request when the last one is answered."""

    def __init__(
        self,
        requests: list[Request],
        connections: int,
        core: int,
        folder: Path,
        name: str,
        *,
        secure: bool = False,
    ) -> None:
        self._scheme = "https" if secure else "http"
        self._table = folder / f"{name}.requests.lua"
        self._table.write_text(
            "return {\n" + "".join(f'"{_escape(r.encode())}",\n' for r in requests) + "}\n"
        )
        self._connections = connections
        self._core = core

    def command(self, port: int, seconds: float) -> list[str]:
        """The command line; wrk takes whole seconds only."""
        options = ["-t1", f"-c{self._connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        url = f"{self._scheme}://127.0.0.1:{port}/"
        return pinned(self._core, [program("wrk"), *options, "-s", str(SCRIPT), url, "--", str(self._table)])

    def run(self, port: int, seconds: float) -> Outcome:
        """Raises BenchError when wrk fails."""
        output = _run(self.command(port, seconds), seconds)
        for line in output.splitlines():
            if line.startswith("RESULT "):
                return msgspec.json.decode(line.removeprefix("RESULT "), type=Outcome)
        raise BenchError(f"wrk printed no result:\n{output}")


class Streams:
    """A closed loop over HTTP/2: every stream of every connection is followed by the next one."""

    def __init__(self, request: Request, connections: int, streams: int, core: int, folder: Path) -> None:
        self._request = request
        self._connections = connections
        self._streams = streams
        self._core = core
        self._log = folder / "h2load.log"
        self._body = folder / "h2load.body"
        self._body.write_bytes(b"x" * request.body_bytes)

    def command(self, port: int, seconds: float) -> list[str]:
        options = ["-t1", f"-c{self._connections}", f"-m{self._streams}", f"-D{max(1, round(seconds))}"]
        for name, value in {**BROWSER, **self._request.headers}.items():
            options += ["-H", f"{name.lower()}: {value}"]
        if self._request.body_bytes:
            options += ["-d", str(self._body)]
        options += ["-H", f":authority: {self._request.host}", f"--log-file={self._log}"]
        return pinned(
            self._core, [program("h2load"), *options, f"http://127.0.0.1:{port}{self._request.path}"]
        )

    def run(self, port: int, seconds: float) -> Outcome:
        """Raises BenchError when h2load fails or no request was answered."""
        self._log.unlink(missing_ok=True)
        output = _run(self.command(port, seconds), seconds)
        if not self._log.exists():
            raise BenchError(f"h2load wrote no log:\n{output}")
        return read_h2load_log(self._log)


class SteadyLoad:
    """An open loop: h2load sends so many requests a second, whatever the answers do."""

    WARM_UP_SECONDS = 1

    def __init__(self, request: Request, connections: int, core: int, folder: Path) -> None:
        self._request = request
        self._connections = connections
        self._core = core
        self._log = folder / "h2load.log"

    def command(self, port: int, seconds: float, rate: float) -> list[str]:
        """The rate, in requests a second, is shared by all connections."""
        count = round(rate * (seconds + self.WARM_UP_SECONDS))  # h2load -D with --rps may never end
        options = ["--h1", "-t1", f"-c{self._connections}", f"-n{count}"]
        options += [f"--rps={rate / self._connections:.3f}", f"--log-file={self._log}"]
        for name, value in BROWSER.items():  # no Host: h2load sends its own, and would send both
            options += ["-H", f"{name}: {value}"]
        url = f"http://127.0.0.1:{port}{self._request.path}"
        return pinned(self._core, [program("h2load"), *options, url])

    def run(self, port: int, seconds: float, rate: float) -> Outcome:
        """Raises BenchError when h2load fails or no request was answered."""
        self._log.unlink(missing_ok=True)
        output = _run(self.command(port, seconds, rate), seconds + self.WARM_UP_SECONDS)
        if not self._log.exists():
            raise BenchError(f"h2load wrote no log:\n{output}")
        return read_h2load_log(self._log, self.WARM_UP_SECONDS)


def read_h2load_log(path: Path, warm_up_seconds: float = 0.0) -> Outcome:
    """What h2load logged (start in microseconds, status, duration in microseconds) after the warm-up."""
    with path.open() as lines:
        entries = [tuple(int(word) for word in line.split()[:3]) for line in lines]
    begin = min((start for start, *_ in entries), default=0) + warm_up_seconds * 1e6
    entries = [entry for entry in entries if entry[0] >= begin]
    durations = sorted(duration for _, status, duration in entries if status >= 0)
    if not durations:
        raise BenchError("h2load saw no answer")
    return Outcome(
        requests=len(durations),
        seconds=(max(start + duration for start, _, duration in entries) - begin) / 1e6,
        bytes=0,
        broken=len(entries) - len(durations),
        refused=sum(status >= 400 for _, status, _ in entries),
        p50_us=percentile(durations, 0.50),
        p99_us=percentile(durations, 0.99),
        p999_us=percentile(durations, 0.999),
    )


def percentile(ordered: list[int], share: float) -> float:
    """The smallest value that at least `share` of the ordered values do not exceed."""
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def program(name: str) -> str:
    """The path of a load generator. Raises BenchError with the command that installs it."""
    found = find_program(name)
    if found is None:
        package = {"wrk": "wrk", "h2load": "nghttp2-client"}[name]
        raise BenchError(f"{name} is not installed: apt-get install {package}")
    return found


def _run(command: list[str], seconds: float) -> str:
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"did not end in {seconds + 60:g} s: {' '.join(command)}") from None
    if done.returncode:
        raise BenchError(f"ended with {done.returncode}: {' '.join(command)}\n{done.stdout[-2000:]}")
    return done.stdout


def _escape(data: bytes) -> str:
    """A Lua string literal's inside."""
    plain = set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:;,*=?&() +")
    return "".join(chr(byte) if byte in plain else f"\\{byte:03}" for byte in data)
