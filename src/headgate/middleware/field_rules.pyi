from collections.abc import Iterable, Mapping
from typing import Final

from headgate.middleware.exchange import Exchange, Request, Response

class Rule: ...

class FieldRules:
    rules: Final[tuple[Rule, ...]]
    def __init__(
        self,
        *,
        rename: Mapping[str, str] = ...,
        remove: Iterable[str] = ...,
        set: Mapping[str, str] = ...,  # noqa: A002 - as people write it in the file
        default: Mapping[str, str] = ...,
        add: Mapping[str, str] = ...,
    ) -> None: ...
    def apply(self, exchange: Exchange, message: Request | Response) -> None: ...
