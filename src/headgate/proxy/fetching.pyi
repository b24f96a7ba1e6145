from headgate.middleware.worker import Fetched
from headgate.proxy.context import Context

class Fetcher:
    def __init__(self, context: Context) -> None: ...
    async def fetch(
        self,
        address: str,
        method: str,
        headers: list[tuple[str, str]],
        body: bytes,
        timeout: float,  # noqa: ASYNC109 - the exchange ends then
        limit: int,
    ) -> Fetched: ...
