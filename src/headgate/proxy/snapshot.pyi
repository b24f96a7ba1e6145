from collections.abc import Callable

from headgate import spec
from headgate.core.load import Load
from headgate.core.routing import RoutingTable
from headgate.core.sessions import SessionTable
from headgate.core.shared import SharedCell, SharedTable
from headgate.proxy.pool import Pool
from headgate.proxy.sites import Sites

class Endpoint:
    source: Pool
    def __init__(
        self, spec: spec.Endpoint, address: spec.Address, memory: memoryview, cell: SharedCell
    ) -> None: ...
    @property
    def name(self) -> bytes: ...
    @property
    def address(self) -> spec.Address: ...
    def share(self, load: Load) -> None: ...

class Service:
    @property
    def spec(self) -> spec.Service: ...
    @property
    def endpoints(self) -> list[Endpoint]: ...
    @property
    def in_flight(self) -> list[int]: ...

class Route:
    @property
    def spec(self) -> spec.Route: ...

class Listener:
    @property
    def spec(self) -> spec.Listener: ...

class LiveSnapshot:
    def __init__(
        self,
        spec: spec.Snapshot,
        memory: memoryview,
        shared: SharedTable,
        endpoints_of: Callable[[spec.Service], tuple[list[Endpoint], list[int]]],
        sites_of: Callable[[spec.Listener], Sites | None],
        seed: int,
        sessions: SessionTable,
    ) -> None: ...
    @property
    def spec(self) -> spec.Snapshot: ...
    @property
    def version(self) -> int: ...
    @property
    def made(self) -> float: ...
    @property
    def routes(self) -> list[Route]: ...
    @property
    def services(self) -> dict[str, Service]: ...
    @property
    def subsets(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], Service]: ...
    @property
    def listeners(self) -> dict[str, Listener]: ...
    @property
    def table(self) -> RoutingTable: ...
