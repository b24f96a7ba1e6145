from collections.abc import Iterable
from typing import final

@final
class Radix:
    @staticmethod
    def of(keys: Iterable[bytes]) -> Radix: ...
    def prefixes(self, text: bytes) -> list[int]: ...
