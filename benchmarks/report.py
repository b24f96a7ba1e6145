"""Results as tables: on the terminal, and as docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.results import Result

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

INTRODUCTION = """\
# Benchmarks

Headgate beside the proxies that people use today, measured by `make bench` and written by
`python -m benchmarks report`; do not edit. Each proxy has one worker on one core; the load generator and
the backend share another, or have one each where there are three. Requests carry 12 header fields of a
browser beside Host, answers 12. Every proxy adds the same forwarding fields and keeps its metrics; the
access log is off where nothing else is said.

CPU is user and system time of **all** processes of the proxy, divided by the requests it answered; the
figure is the median of interleaved rounds, each with new processes, since where the memory of one came to
lie is worth a few per cent. A round counts only when the proxies' core was at least 95 %
busy and other processes took no more than a tenth of it. The ratio is to the better of nginx and HAProxy
in the same run, or to what the row names.
"""


def lines_of(result: Result) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of a row's table, the proxies in the order of the row."""
    row = ROWS[result.row]
    columns = [c for c in row.columns if any(c.figure in figures for figures in result.figures.values())]
    order = [variant.label for variant in row.variants if variant.label in result.figures]
    labels = order or list(result.figures)
    return (
        [row.heading, *(column.heading for column in columns)],
        [[label, *(column.text(result.figures[label]) for column in columns)] for label in labels],
    )


def terminal(result: Result) -> str:
    """The row as aligned text."""
    heading, cells = lines_of(result)
    widths = [max(len(line[i]) for line in (heading, *cells)) for i in range(len(heading))]
    table = ["  ".join(_aligned(line, widths)) for line in (heading, *cells)]
    said = [*(f"  {verdict}" for verdict in result.verdicts), *(f"  note: {note}" for note in result.notes)]
    return "\n".join(["", f"{result.row}: {result.title}", *table, *said])


def page(results: Sequence[Result]) -> str:
    """The whole of docs/benchmarks.md."""
    return INTRODUCTION + "".join(_section(result) for result in results)


def write_page(results: dict[str, Result], path: Path = PAGE) -> Path:
    """Render the rows that have results, in the order of ROWS."""
    path.write_text(page([results[name] for name in ROWS if name in results]))
    return path


def _section(result: Result) -> str:
    heading, cells = lines_of(result)
    machine = result.machine
    table = [heading, ["---", *("---:" for _ in heading[1:])], *cells]
    parts = [
        f"\n## {result.title}\n",
        "\n".join("| " + " | ".join(line) + " |" for line in table) + "\n",
    ]
    if result.verdicts or result.notes:
        parts.append("\n".join(f"- {text}" for text in (*result.verdicts, *result.notes)) + "\n")
    parts.append(
        f"Measured {result.measured[:16].replace('T', ' ')} UTC on {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_gib:g} GiB, {machine.system}, Linux {machine.kernel}, Python {machine.python}; "
        f"load average before: {machine.load:.2f}.\n"
        f"Versions: {'; '.join(result.versions.values())}.\n"
    )
    commands = "\n".join(f"# {name}\n{command}" for name, command in result.commands.items())
    parts.append(f"<details><summary>Commands</summary>\n\n```sh\n{commands}\n```\n\n</details>\n")
    return "\n".join(parts)


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    return [
        line[0].ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
    ]
