"""What is counted of middlewares: by Headgate for each hook, and by their classes themselves."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from headgate.core.cells import MiddlewareWord
from headgate.middleware.histogram import BOUNDS
from headgate.middleware.middleware import HOOKS
from headgate.observe import families
from headgate.observe.families import Family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.core.cells import Sums
    from headgate.spec import Middleware, Snapshot

Samples = list[tuple[str, dict[str, str], float]]  # what stands behind the name, labels, value

_OF_HOOKS = (
    (families.MIDDLEWARE_CALLS, MiddlewareWord.MIDDLEWARE_CALLS, 1.0),
    (families.MIDDLEWARE_ERRORS, MiddlewareWord.MIDDLEWARE_ERRORS, 1.0),
    (families.MIDDLEWARE_CPU, MiddlewareWord.MIDDLEWARE_CPU, 1e-9),
    (families.MIDDLEWARE_WAITS, MiddlewareWord.MIDDLEWARE_WAITS, 1.0),
    (families.MIDDLEWARE_WAIT, MiddlewareWord.MIDDLEWARE_WAITED, 1e-6),
    (families.MIDDLEWARE_EXCEEDED, MiddlewareWord.MIDDLEWARE_BEYOND, 1.0),
    (families.MIDDLEWARE_BLOCKED, MiddlewareWord.MIDDLEWARE_BLOCKED, 1.0),
    (families.MIDDLEWARE_REPLIES, MiddlewareWord.MIDDLEWARE_REPLIES, 1.0),
)


def samples(sums: Sums, snapshot: Snapshot) -> dict[Family, Samples]:
    """Families with their samples; a hook that was never called has none."""
    found: dict[Family, Samples] = {family: [] for family, _, _ in _OF_HOOKS}
    for middleware in snapshot.middlewares:
        words = sums.of(middleware.metric)
        for number, hook in enumerate(HOOKS):
            first = number * MiddlewareWord.MIDDLEWARE_HOOK_WORDS
            if words[first + MiddlewareWord.MIDDLEWARE_CALLS]:
                labels = {"middleware": middleware.name, "hook": hook}
                for family, word, scale in _OF_HOOKS:
                    value = words[first + word]
                    found[family].append(("", labels, value if scale == 1.0 else value * scale))
        for family, own in _own(middleware, words):
            known = next((other for other in found if other.name == family.name), family)
            found.setdefault(known, []).extend(own)
    return found


def _own(middleware: Middleware, words: list[int]) -> Iterator[tuple[Family, Samples]]:
    labels = {"middleware": middleware.name}
    for number, (name, text) in enumerate(middleware.counters):
        family = Family(f"middleware_{name}", "counter", text.rstrip("."))
        yield family, [("", labels, words[MiddlewareWord.MIDDLEWARE_OWN + number])]
    for number, (name, text) in enumerate(middleware.histograms):
        first = MiddlewareWord.MIDDLEWARE_HISTOGRAMS + number * MiddlewareWord.MIDDLEWARE_HISTOGRAM_WORDS
        family = Family(f"middleware_{name}", "histogram", text.rstrip("."))
        totals = list(accumulate(words[first + 1 : first + 2 + len(BOUNDS)]))
        bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        own: Samples = [
            ("_bucket", labels | {"le": bound}, total) for bound, total in zip(bounds, totals, strict=True)
        ]
        yield family, [*own, ("_count", labels, totals[-1]), ("_sum", labels, words[first] / 1e6)]
