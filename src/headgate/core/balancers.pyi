from collections.abc import Iterable, Sequence

from headgate.core.balance import Balancer

ALGORITHMS: tuple[str, ...]

def balancer(name: str, seed: int = 0, *, table: str = "ring", bound: float = 0) -> Balancer: ...
def looks_at_load(name: str, bound: float = 0) -> bool: ...
def identity_of(name: str) -> int: ...
def simulate(
    chosen: Balancer,
    weights: Sequence[float],
    in_flight: Sequence[int],
    usable: Sequence[bool],
    avoid: int,
    picks: int,
    *,
    keys: Iterable[int] | None = None,
    names: Sequence[str] | None = None,
    latencies: Sequence[float] | None = None,
) -> list[int]: ...
