"""Command line of the benchmarks; see `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.backend import Backend
from benchmarks.peers import PEERS
from benchmarks.processes import BenchError, free_ports
from benchmarks.results import newest
from benchmarks.rows import ROWS, Bench

if TYPE_CHECKING:
    from benchmarks.results import Result

OPEN_FILES = 40_000
EXAMPLES = """\
examples:
  python -m benchmarks                       every row, about 20 minutes
  python -m benchmarks --quick               every row, a few minutes; saves nothing
  python -m benchmarks keepalive routes      two rows
  python -m benchmarks keepalive --peers headgate nginx haproxy --rounds 15
  python -m benchmarks --hold                exit 1 when a figure of the design does not hold
  python -m benchmarks report                write docs/benchmarks.md from the newest results
"""


def main() -> int:
    """Exit code: 0 measured, 1 a held figure does not hold (with --hold), 2 something is missing."""
    options = _options()
    try:
        if options.rows == ["report"]:
            print(report.write_page(newest()))
            return 0
        return _measure(options)
    except BenchError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Headgate and its peers, one core and one worker each.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rows = "\n".join(f"{name}: {row.title}" for name, row in ROWS.items())
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}, or report; default: all rows"
    )
    parser.add_argument("--rounds", type=int, help="rounds of each row (7; 3 with --quick)")
    parser.add_argument("--seconds", type=float, help="whole seconds of each round (3; 1 with --quick)")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS), help="which proxies")
    parser.add_argument("--cores", metavar="PROXY,LOAD[,BACKEND]", help="which cores (the first ones)")
    parser.add_argument(
        "--quick", action="store_true", help="short rounds, for a first look; nothing is saved"
    )
    parser.add_argument("--hold", action="store_true", help="exit 1 when a held figure does not hold")
    parser.add_argument("--list", action="version", version=rows, help="list the rows and leave")
    options = parser.parse_args()
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown and options.rows != ["report"]:
        parser.error(f"no row named {unknown[0]!r}; rows are {', '.join(ROWS)}")
    return options


def _measure(options: argparse.Namespace) -> int:
    proxy_core, load_core, backend_core = _cores(options.cores)
    os.sched_setaffinity(0, {load_core})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _raise_open_files()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker reads bodies as another user
        ports = free_ports(3)
        lean = Backend.lean(ports[0], backend_core, folder)
        nginx = Backend.nginx(ports[1], ports[2], backend_core, folder)
        with lean, nginx:
            bench = Bench(
                rounds=options.rounds or (3 if options.quick else 7),
                seconds=options.seconds or (1 if options.quick else 3),
                peers=_installed(options.peers),
                proxy_core=proxy_core,
                load_core=load_core,
                backends={"lean": lean.port, "nginx": nginx.port, "grpc": ports[2]},
                folder=folder,
            )
            for row in options.rows or ROWS:
                result = ROWS[row].run(bench)
                if not options.quick:
                    result.save()
                results.append(result)
                print(report.terminal(result), flush=True)
    return _verdict(results) if options.hold else 0


def _verdict(results: list[Result]) -> int:
    missing = [result.row for result in results if ROWS[result.row].held and not result.verdicts]
    failed = [f"{r.row}: {verdict}" for r in results for verdict in r.verdicts if not verdict.holds]
    for line in (*failed, *(f"{row}: not all proxies that it needs were measured" for row in missing)):
        print(line, file=sys.stderr)
    return 1 if failed or missing else 0


def _installed(names: list[str]) -> tuple[str, ...]:
    """The peers that can run; only the ones beside nginx and HAProxy may be missing."""
    found = []
    for name in names:
        try:
            PEERS[name].path()
        except BenchError as error:
            if name in ("headgate", "nginx", "haproxy"):
                raise
            print(f"left out: {error}", file=sys.stderr)
        else:
            found.append(name)
    return tuple(found)


def _cores(text: str | None) -> tuple[int, int, int]:
    """Cores of the proxy, the load generator and the backend; the last two share one where there are two."""
    allowed = sorted(os.sched_getaffinity(0))
    if text is None:
        chosen = allowed[:3]
    else:
        try:
            chosen = [int(part) for part in text.split(",")]
        except ValueError:
            raise BenchError(f"--cores takes numbers such as 0,1 or 0,1,2, not {text!r}") from None
    if len(chosen) not in (2, 3) or len(set(chosen)) != len(chosen) or not set(chosen) <= set(allowed):
        raise BenchError(f"two or three different cores are needed; this process may use {allowed}")
    return chosen[0], chosen[1], chosen[-1]


def _raise_open_files() -> None:
    """10,000 idle connections need as many files here and in the proxy; children inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(OPEN_FILES, soft), max(OPEN_FILES, hard)))
    except (ValueError, OSError):  # not root
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
