"""Durations, sizes and rates as people write them: `1m30s`, `64KiB`, `100/s`.

The readers raise `Refusal`; the writers give back a text that reads as the same number.
"""

from __future__ import annotations

import re
from itertools import pairwise

from headgate.base.errors import Refusal

DURATION_PATTERN = r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:us|ms|s|m|h|d))+"
SIZE_PATTERN = r"[0-9]{1,15}(?:\.[0-9]{1,9})?(?:B|[KMGT]i?B)?"
RATE_PATTERN = r"[0-9]{1,12}(?:\.[0-9]{1,9})?/[smh]"
BYTE_RATE_PATTERN = SIZE_PATTERN + "/[smh]"

_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000_001}
_BYTES = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_PER = {"s": 1, "m": 60, "h": 3_600}

_duration = re.compile(DURATION_PATTERN)
_duration_part = re.compile(r"([0-9.]+)(us|ms|s|m|h|d)")
_size = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([A-Za-z]*)")
_rate = re.compile(r"(.+)/([a-z]+)")
_number = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")

_DURATION_REASON = "is not a duration"
_DURATION_HINT = "write numbers with units (d, h, m, s, ms), such as 5s, 250ms or 1m30s"
_SIZE_REASON = "is not a size"
_SIZE_HINT = "write a number of bytes, or a number with a unit, such as 512B, 64KiB, 1MiB or 10MB"
_RATE_REASON = "is not a rate"
_RATE_HINT = "write a number for each second, minute or hour, such as 100/s or 600/m"
_BYTE_RATE_HINT = "write a size for each second, minute or hour, such as 240B/s or 1MiB/m"


def parse_duration(text: str) -> float:
    """The seconds in a text such as `5s`, `250ms` or `1m30s`; units from the largest down, each once."""
    if not _duration.fullmatch(text):
        if _number.fullmatch(text):
            raise Refusal("has no unit", f"write {text}s for seconds or {text}ms for milliseconds")
        raise Refusal(_DURATION_REASON, _DURATION_HINT)
    parts = _duration_part.findall(text)
    scales = [_SECONDS[unit] for _, unit in parts]
    if any(later >= earlier for earlier, later in pairwise(scales)):
        raise Refusal("names its units twice or not from the largest down", "write it like 1h30m or 1m30s")
    return round(sum(float(number) * scale for (number, _), scale in zip(parts, scales, strict=True)), 9)


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as `seconds` (not negative; to the microsecond)."""
    microseconds = round(seconds * 1_000_000)
    parts = []
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        count, microseconds = divmod(microseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    if microseconds:
        parts.append(f"{_plain(microseconds / 1000)}ms")
    return "".join(parts) or "0s"


def format_percent(percent: float) -> str:
    """A text such as `2.5%`."""
    return f"{percent:g}%"


def parse_size(text: str) -> int:
    """The bytes in a text such as `4096`, `64KiB`, `1.5MiB` or `10MB`."""
    match = _size.fullmatch(text)
    if match is None:
        raise Refusal(_SIZE_REASON, _SIZE_HINT)
    number, unit = match.groups()
    if unit not in _BYTES:
        raise Refusal(_SIZE_REASON, _unit_hint(number, unit))
    size = float(number) * _BYTES[unit] if "." in number else int(number) * _BYTES[unit]
    if size != int(size):
        raise Refusal("is not a whole number of bytes", _SIZE_HINT)
    return int(size)


def _unit_hint(number: str, unit: str) -> str:
    letter = unit[0].upper()
    if letter in "KMGT" and unit.upper() in (letter, letter + "B", letter + "IB"):
        return f"write {number}{letter}iB (powers of 1024) or {number}{letter}B (powers of 1000)"
    return _SIZE_HINT


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads as `size` bytes."""
    for unit in ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "KB"):
        count, rest = divmod(size, _BYTES[unit])
        if count and not rest:
            return f"{count}{unit}"
    return f"{size}B"


def parse_rate(text: str) -> float:
    """The events a second in a text such as `100/s` or `600/m`."""
    amount, seconds = _split_rate(text, _RATE_HINT)
    if not _number.fullmatch(amount):
        raise Refusal(_RATE_REASON, _RATE_HINT)
    return float(amount) / seconds


def format_rate(rate: float) -> str:
    """A text that `parse_rate` reads as `rate` events a second."""
    for unit, seconds in _PER.items():
        if float(rate * seconds).is_integer():
            return f"{int(rate * seconds)}/{unit}"
    return f"{_plain(rate)}/s"


def parse_byte_rate(text: str) -> float:
    """The bytes a second in a text such as `240B/s` or `1MiB/m`."""
    amount, seconds = _split_rate(text, _BYTE_RATE_HINT)
    try:
        return parse_size(amount) / seconds
    except Refusal:
        raise Refusal("is not a rate of bytes", _BYTE_RATE_HINT) from None


def format_byte_rate(rate: float) -> str:
    """A text that `parse_byte_rate` reads as `rate` bytes a second."""
    for unit, seconds in _PER.items():
        if float(rate * seconds).is_integer():
            return f"{format_size(int(rate * seconds))}/{unit}"
    return f"{round(rate)}B/s"


def _split_rate(text: str, hint: str) -> tuple[str, int]:
    match = _rate.fullmatch(text)
    if match is None or match[2] not in _PER:
        raise Refusal(_RATE_REASON, hint)
    return match[1], _PER[match[2]]


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")
