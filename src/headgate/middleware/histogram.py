"""Buckets of the histograms of middlewares: wide enough for seconds and for bytes."""

from __future__ import annotations

from bisect import bisect_left

# Upper bounds: a millionth, then four times as much each. What is beyond the last goes into one more.
BOUNDS = tuple(4.0**power * 1e-6 for power in range(30))


def bucket_of(value: float) -> int:
    """The number of the bucket that a value belongs to."""
    return bisect_left(BOUNDS, value)
