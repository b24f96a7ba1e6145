from headgate.middleware import Middleware
from headgate.proxy.snapshot import LiveSnapshot
from headgate.spec import Middleware as Spec

class Step:
    spec: Spec
    middleware: Middleware
    name: str
    def __init__(self, spec: Spec, middleware: Middleware, memory: memoryview) -> None: ...
    def never_ended(self, hook: int) -> None: ...

class Chain:
    steps: tuple[Step, ...]
    ways: int
    def __init__(self, steps: tuple[Step, ...]) -> None: ...

def attach_chains(live: LiveSnapshot, steps: dict[str, Step]) -> list[Chain]: ...
