"""Text that is shown nowhere: private keys, and what else only its user may see."""

from __future__ import annotations


class Secret:
    """A text that no log, diff, error or answer shows: whoever needs it says `.text`.

    It is no struct on purpose: an encoder that does not know it fails, instead of writing it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    @property
    def text(self) -> str:
        """The secret itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(...)" if self._text else "Secret()"
