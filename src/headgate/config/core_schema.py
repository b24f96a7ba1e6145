"""What a plain scalar means in the YAML 1.2 core schema, without its surprises.

A number with zeros in front stays a text (`010` is ten for some and eight for others), and a number whose
text says more than its value keeps the text.
"""

from __future__ import annotations

import re
from typing import Any

_int = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_padded = re.compile(r"[-+]?0[0-9]+")
_float = re.compile(r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,3})?")
_special_floats = {".nan": "nan", ".inf": "inf", "+.inf": "inf", "-.inf": "-inf"}
_nulls = frozenset(("", "~", "null", "Null", "NULL"))
_bools = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


class WrittenInt(int):
    """A number whose text is not what `str` makes of it, such as `0x10`."""

    text: str


class WrittenFloat(float):
    """A number with its text: `1.10` stays `1.10` where a text is wanted."""

    text: str


def resolve(text: str) -> Any:
    """The value of a plain scalar in the core schema."""
    if text in _nulls:
        return None
    if text in _bools:
        return _bools[text]
    if text in _special_floats:
        return float(_special_floats[text])
    if text[0] not in "+-.0123456789":
        return text
    if _int.fullmatch(text):
        return text if _padded.fullmatch(text) else _integer(text)
    if _float.fullmatch(text) and not _padded.match(text.partition(".")[0]):
        number = WrittenFloat(text)
        number.text = text
        return number
    return text


def _integer(text: str) -> int:
    number = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if str(number) == text:
        return number
    written = WrittenInt(number)
    written.text = text
    return written
