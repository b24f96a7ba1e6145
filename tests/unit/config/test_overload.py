"""What is said about breakers, limits of concurrency and overload in a file, and what becomes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate import config, spec

FILE = """\
listeners: { web: { bind: ':80' } }
%s
routes: [{ name: r, service: s%s }, { name: r2, match: { path: /t }, service: t }]
services:
  s: { endpoints: ['127.0.0.1:1'], %s }
  t: { endpoints: ['127.0.0.1:2'], breaker: { fallback: u } }
  u: { endpoints: ['127.0.0.1:3'] }
"""
# What stands in the service, and what is said about it.
CASES = {
    "a share without a percent sign": (
        "breaker: { error_ratio: 0.5 }",
        '"0.5" is neither off nor a share from 0.001% to 100%',
        "write for example 50%",
    ),
    "too large a share": (
        "breaker: { error_ratio: 120% }",
        '"120%" is neither off nor a share from 0.001% to 100%',
        "write for example 50%",
    ),
    "a quantile in percent": (
        "breaker: { quantile: 95 }",
        '"95" is not a number from 0.5 to 0.999',
        "write for example 0.95",
    ),
    "nothing opens it": (
        "breaker: { error_ratio: off }",
        "nothing would ever open this breaker",
        "write for example `consecutive: 5`, or `breaker: off`",
    ),
    "two answers": (
        "breaker: { fallback: t, respond: { body: x } }",
        "the breaker has fallback and respond, one is possible",
        "remove one of the two",
    ),
    "an unknown fallback": (
        "breaker: { fallback: v }",
        '"v" is no service of this file',
        "known here: s, t, u",
    ),
    "a fallback to itself": (
        "breaker: { fallback: s }",
        '"s" leads back to "s", so that nobody would answer',
        "name a service that does not fall back to this one",
    ),
    "an unknown scope": (
        "breaker: { scope: route }",
        '"route" is not service or endpoint',
        "",
    ),
    "too many trials": ("breaker: { trials: 256 }", '"256" is not between 1 and 255', ""),
    "a negative limit": ("concurrency: -1", '"-1" is not between 0 and 1000000000', ""),
}


def compiled_of(text: str) -> spec.Snapshot:
    """What a file without errors and warnings becomes."""
    loaded = config.load("h.yaml", text=text, environ={})
    assert not loaded.problems, loaded.problems
    assert loaded.model is not None
    return config.compile(loaded.model)


def errors_of(text: str) -> list[tuple[int, str, str]]:
    """Line, message and hint of what is wrong in a file."""
    errors = config.load("h.yaml", text=text, environ={}).errors
    return [(error.line, error.message, error.hint) for error in errors]


def test_everything_has_its_default() -> None:
    snapshot = compiled_of(FILE % ("", "", "breaker: {}"))
    service = snapshot.services[0]
    assert service.breaker == spec.Breaker()
    assert service.concurrency == snapshot.routes[0].concurrency == spec.Concurrency()
    assert not service.concurrency.limits
    assert snapshot.overload == spec.Overload()
    assert snapshot.services[2].breaker is None


def test_everything_arrives() -> None:
    text = FILE % (
        "overload: { lag: 200ms, memory: 1GiB, importance_header: X-Importance }",
        ", importance: high, concurrency: { limit: 7, queue: off }",
        (
            "concurrency: { adaptive: on, limit: 50, minimum: 5, endpoint: 9, queue: 3, queue_timeout: 2s }, "
            "breaker: { scope: endpoint, error_ratio: 25%, consecutive: 4, latency: 300ms, quantile: 0.99, "
            "statuses: 503, window: 1m, minimum: 7, open_for: 1s, open_at_most: 8s, trials: 2, "
            "respond: { status: 200, body: later, headers: { X-A: b } } }"
        ),
    )
    snapshot = compiled_of(text)
    assert snapshot.overload == spec.Overload(lag=0.2, memory=1 << 30, importance_header="x-importance")
    assert snapshot.routes[0].importance == 2
    assert snapshot.routes[0].concurrency == spec.Concurrency(limit=7, queue=0)
    assert snapshot.services[0].concurrency == spec.Concurrency(
        limit=50, adaptive=True, minimum=5, endpoint=9, queue=3, queue_timeout=2.0
    )
    assert snapshot.services[0].breaker == spec.Breaker(
        scope="endpoint",
        error_ratio=0.25,
        consecutive=4,
        slow_seconds=0.3,
        slow_ratio=0.01,
        statuses=(503,),
        window=60.0,
        minimum=7,
        open_seconds=1.0,
        longest_seconds=8.0,
        trials=2,
        respond=spec.Respond(status=200, headers=(("x-a", "b"),), body="later"),
    )


@pytest.mark.parametrize(("written", "message", "hint"), CASES.values(), ids=CASES)
def test_messages(written: str, message: str, hint: str) -> None:
    ((line, said, more),) = errors_of(FILE % ("", "", written))
    assert (line, said) == (5, message)
    assert more == hint


def test_more_endpoints_than_can_be_limited_one_by_one() -> None:
    many = ", ".join(f"'127.0.0.1:{number}'" for number in range(1000, 1065))
    text = FILE.replace("['127.0.0.1:1']", f"[{many}]") % ("", "", "concurrency: { endpoint: 3 }")
    ((_, said, _),) = errors_of(text)
    assert said == "more than 64 endpoints cannot be limited one by one"


def test_the_example_of_the_document_can_be_loaded() -> None:
    page = (Path(__file__).parents[3] / "docs" / "overload.md").read_text()
    found = re.search(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found
    snapshot = compiled_of(found[1])
    assert [route.importance for route in snapshot.routes] == [2, 0, 1]
