"""Regular expressions on a linear-time engine (RE2), over bytes.

The syntax is RE2's: no back references, no look-around, so that no pattern and no input can take
more than linear time. A pattern is searched for; `^` and `$` tie it to the ends. Patterns are UTF-8
bytes and every byte of the text is one character, so `.` and negated classes take any byte but a
line feed.

Several patterns are matched in one call through an RE2 set: the cost of 500 is that of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import re2  # type: ignore[import-untyped]

Matcher = Callable[[bytes], "list[int] | None"]
"""Numbers of the patterns that match, in no order; None when none does."""

# A set's automaton is built while matching, within a budget; a set that does not fit gets a larger
# one, then is split. Most stay far below the first.
BUDGETS = tuple(mebibytes << 20 for mebibytes in (8, 16, 32, 64))

# A set whose budget is too small to match at all answers "no match" to everything. One with this
# pattern besides, which must match, shows whether that is so.
PROBE_PATTERN = rb"^\x00$"
PROBE_TEXT = b"\x00"

QUANTIFIERS = b"*?{"
SPECIAL = b".[](){}*+?|^$\\"

# What depends on the byte before: "^" but for that of a negated class, and the likes of it.
LOOKS_BACK = re.compile(rb"(?<!\[)\^|\\[AbB]|^[*+?{]")


def options(budget_bytes: int = BUDGETS[0]) -> re2.Options:
    chosen = re2.Options()
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.log_errors = False
    chosen.max_mem = budget_bytes
    return chosen


@lru_cache(maxsize=1024)
def compile_regex(pattern: str) -> re2._Regexp:
    """The pattern alone, for its groups. Raises ValueError, naming the character, counted from 1."""
    try:
        return re2.compile(pattern.encode(), options())
    except re2.error as error:
        message = error.args[0].decode(errors="replace")
    reason, _, part = message.partition(": ")
    at = pattern.find(part) if part and part != pattern else -1
    raise ValueError(f"{reason}: {part!r} at character {at + 1}" if at >= 0 else reason)


def check_regex(pattern: str) -> str | None:
    """What is wrong with the pattern, and where; None when nothing is."""
    try:
        compile_regex(pattern)
    except ValueError as error:
        return str(error)
    return None


def compile_sets(patterns: Sequence[str], *, anchored: bool) -> list[tuple[int, Matcher]]:
    """Matchers for all patterns, each with the number of its first one; nearly always one matcher.

    `anchored`: all of them begin with `^`. The patterns are valid. Raises ValueError when one is too
    large to match with others.
    """
    return _split(list(patterns), 0, anchored=anchored)


def _split(patterns: list[str], first: int, *, anchored: bool) -> list[tuple[int, Matcher]]:
    for budget in BUDGETS:
        matcher = _compile_set(patterns, budget, anchored=anchored)
        if matcher is not None:
            return [(first, matcher)]
    if len(patterns) == 1:
        raise ValueError(f"regular expression {patterns[0]} is too large")
    half = len(patterns) // 2
    return [
        *_split(patterns[:half], first, anchored=anchored),
        *_split(patterns[half:], first + half, anchored=anchored),
    ]


def _compile_set(patterns: list[str], budget: int, *, anchored: bool) -> Matcher | None:
    """A matcher, or None when the budget is too small."""
    encoded = [pattern.encode() for pattern in patterns]
    probe = _build([*encoded, PROBE_PATTERN], budget, anchored=anchored)
    if probe is None or not probe(PROBE_TEXT):
        return None
    return _build(encoded, budget, anchored=anchored)


def _build(patterns: list[bytes], budget: int, *, anchored: bool) -> Matcher | None:
    kind = re2.Set.MatchSet if anchored else re2.Set.SearchSet
    chosen = kind(options(budget))
    for pattern in patterns:
        chosen.Add(pattern)
    try:
        chosen.Compile()
    except re2.error:
        return None
    matcher: Matcher = chosen.Match
    return matcher


def literal_prefix(pattern: str) -> bytes:
    """Bytes with which every text begins that the valid pattern matches; b"" when none are certain."""
    return bytes(byte for byte, _ in _literal(pattern.encode()))


def behind_literal(pattern: str, size: int) -> str | None:
    """The pattern for what stands behind the first `size` bytes of its literal prefix.

    None when the pattern may look back over that place.
    """
    text = pattern.encode()
    rest = text[_literal(text)[size - 1][1] :] if size else text[1:]
    if LOOKS_BACK.search(rest):
        return None
    try:
        return "^" + rest.decode()
    except UnicodeDecodeError:  # in the middle of a character
        return None


def _literal(text: bytes) -> list[tuple[int, int]]:
    """The bytes of the literal prefix, each with the index behind it in the pattern."""
    if not text.startswith(b"^") or has_alternative(text):
        return []
    literal = []
    at = 1
    while at < len(text):
        step = 1
        byte = text[at]
        if byte == ord("\\") and at + 1 < len(text) and _is_punctuation(text[at + 1]):
            byte = text[at + 1]
            step = 2
        elif byte in SPECIAL:
            break
        at += step
        literal.append((byte, at))
    if at < len(text) and text[at] in QUANTIFIERS and literal:
        literal.pop()  # what comes before a quantifier may be missing
    return literal


def _is_punctuation(byte: int) -> bool:
    return 0x20 < byte < 0x7F and not chr(byte).isalnum()


def has_alternative(text: bytes) -> bool:
    """Whether a "|" may stand outside all groups of a valid pattern. True when in doubt."""
    depth = 0
    at = 0
    while at < len(text):
        byte = text[at]
        if byte == ord("\\"):
            if text[at + 1 : at + 2] == b"Q":
                return True
            at += 1
        elif byte == ord("["):
            at = _class_end(text, at)
        elif byte == ord("("):
            depth += 1
        elif byte == ord(")"):
            depth -= 1
        elif byte == ord("|") and depth == 0:
            return True
        at += 1
    return False


def _class_end(text: bytes, at: int) -> int:
    """Index of the "]" that closes the class opened at `at`."""
    at += 1
    if text[at : at + 1] == b"^":
        at += 1
    first = at
    while at < len(text) and (text[at] != ord("]") or at == first):
        if text[at] == ord("\\"):
            at += 1
        elif text[at : at + 2] == b"[:":
            end = text.find(b":]", at + 2)
            at = end + 1 if end >= 0 else at
        at += 1
    return at
