from collections.abc import Iterable

LONGEST_LITERAL: int

class Places:
    @staticmethod
    def of(segments: Iterable[bytes], literals: Iterable[bytes] = ()) -> Places: ...
    def found(self, text: bytes) -> list[bytes]: ...
