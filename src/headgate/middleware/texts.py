"""Texts of other people as field values."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[^\x20-\x24\x26-\x7e]+")


def field_value(text: str) -> str:
    """The text with everything percent-encoded that is not visible ASCII: so it stands in one field, and says
    the same to all.
    """
    if text.isascii() and text.isprintable() and "%" not in text and text == text.strip():
        return text
    encoded = _UNSAFE.sub(lambda found: _percent(found[0]), text)
    kept = encoded.strip(" ")
    before, _, after = encoded.partition(kept) if kept else (encoded, "", "")
    return "%20" * len(before) + kept + "%20" * len(after)


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def quoted(text: str) -> str:
    """The text as a quoted string (RFC 9110 section 5.6.4). Raises ValueError for what none can hold."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"{text!r} cannot stand in a field: write it in ASCII")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
