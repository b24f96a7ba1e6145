"""Secrets that stand in files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.base.errors import Refusal
from headgate.config.model.stickiness import LEAST_SECRET

if TYPE_CHECKING:
    from pathlib import Path


def read_secret(path: Path) -> str:
    """The text in the file, without white space around it. Raises Refusal; nothing of the text is in it."""
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, ValueError):
        raise Refusal(f"{path} is no text") from None
    if len(text) < LEAST_SECRET:
        reason = f"{path} has fewer than {LEAST_SECRET} characters"
        raise Refusal(reason, "put a long random text into it")
    if not (text.isascii() and text.isprintable()):
        raise Refusal(
            f"{path} has more in it than one line of plain characters", "put a long random text into it"
        )
    return text
