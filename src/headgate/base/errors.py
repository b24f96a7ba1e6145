"""The one error for texts that people write."""

from __future__ import annotations


class Refusal(ValueError):
    """A text that somebody wrote cannot be read.

    `reason` continues a sentence that begins with the value, and never repeats the value (it may be a
    secret); `hint` says what to write instead, and may be empty.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
