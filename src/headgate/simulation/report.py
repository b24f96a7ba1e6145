"""The numbers of a run as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Data = dict[str, Any]

COLUMNS = ("when", "asked", "ok", "failed", "p50", "p95", "p99", "attempts", "ejected", "breakers open")
MOST_LINES = 20


def lines(outcome: Data, *, every_second: bool = False) -> Iterator[str]:
    """The whole outcome."""
    yield f"{outcome['scenario']} (seed {outcome['seed']})"
    yield ""
    rows = outcome["seconds"] if every_second else outcome["phases"]
    yield from table([COLUMNS, *(_row(row) for row in rows), _row(outcome["total"])])
    yield ""
    yield from _summary(outcome)
    for service in outcome["services"]:
        yield ""
        yield from _service(service)
    if outcome["log"]:
        yield ""
        yield "log"
        yield from (f"  {_seconds(when):>8}  {text}" for when, text in outcome["log"][:MOST_LINES])
        if (more := len(outcome["log"]) - MOST_LINES) > 0:
            yield f"  and {more} more lines, see --json"


def comparison(outcomes: dict[str, Data]) -> Iterator[str]:
    """Several outcomes of one scenario and seed, by name, phase by phase."""
    first = next(iter(outcomes.values()))
    yield f"{first['scenario']} (seed {first['seed']})"
    for number, phase in enumerate(first["phases"]):
        yield ""
        rows = [(name, *_row(outcome["phases"][number])[1:]) for name, outcome in outcomes.items()]
        yield from table([(f"{phase['from']:g}-{phase['to']:g} s", *COLUMNS[1:]), *rows])


def spread(outcomes: list[Data]) -> dict[str, tuple[float, float, float]]:
    """The least, the median and the most of what came of many seeds."""
    figures = {
        "ok": [one["total"]["ok"] for one in outcomes],
        "failed": [one["total"]["failed"] for one in outcomes],
        "p50": [one["total"]["p50"] for one in outcomes],
        "p99": [one["total"]["p99"] for one in outcomes],
        "attempts for each request": [one["upstream"]["ratio"] for one in outcomes],
        "retries": [one["attempts"]["retries"] for one in outcomes],
        "hedges": [one["attempts"]["hedges"]["sent"] for one in outcomes],
        "most ejected": [one["total"]["most_ejected"] for one in outcomes],
        "breakers opened": [sum(each["breaker"]["opened"] for each in one["services"]) for one in outcomes],
    }
    return {name: (min(each), sorted(each)[len(each) // 2], max(each)) for name, each in figures.items()}


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns as wide as they have to be, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join((row[0].ljust(widths[0]), *cells)).rstrip()


def _row(figures: Data) -> tuple[str, ...]:
    when = "all" if figures["to"] is None else f"{figures['from']:g}-{figures['to']:g} s"
    return (
        when,
        str(figures["asked"]),
        str(figures["ok"]),
        str(figures["failed"]),
        *(_seconds(figures[name]) for name in ("p50", "p95", "p99")),
        str(figures["attempts"]),
        str(figures["most_ejected"]),
        f"{figures['breakers_open']:.2f}",
    )


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _summary(outcome: Data) -> Iterator[str]:
    attempts = outcome["attempts"]
    yield f"failed       {_counts(outcome['failures'])}"
    upstream = outcome["upstream"]
    yield f"attempts     {upstream['attempts']}, {upstream['ratio']:.3f} for each request"
    yield f"retries      {attempts['retries']}{_behind(attempts['causes'])}"
    if any(attempts["not_retried"].values()):
        yield f"not retried  {_counts(attempts['not_retried'])}"
    hedges = attempts["hedges"]
    if any(hedges.values()):
        yield f"hedges       {_counts(hedges)}"
    if outcome["splits"]:
        yield f"splits       {_counts(outcome['splits'])}"
    if outcome["shed"]:
        yield f"shed         {outcome['shed']}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _behind(counts: dict[str, int]) -> str:
    return f" ({_counts(counts)})" if any(counts.values()) else ""


def _service(service: Data) -> Iterator[str]:
    yield f"service {service['name']} ({service['balance']})"
    breaker, queue = service["breaker"], service["queue"]
    if breaker["opened"]:
        yield (
            f"  breaker opened {breaker['opened']} times, {breaker['open_seconds']:g} s in all, "
            f"and refused {breaker['refused']} attempts"
        )
    if any(queue.values()):
        yield f"  queue: {_counts(queue)}"
    rows = [
        (
            f"  {one['name']}",
            f"{one['attempts']} attempts",
            f"{one['share'] * 100:.1f} %",
            f"{one['ejections']} ejections" if one["ejections"] else "",
        )
        for one in service["endpoints"]
    ]
    yield from table(rows)
