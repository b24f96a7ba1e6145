"""Mixed routes, 5 or 5,000 of them, and random requests that hit and miss them.

A third of the routes stands on one host, the others on hosts with eight routes each, every tenth of
those a wildcard. Half of the routes match a prefix, a fifth an exact path, a tenth a regular
expression; the rest add a header or a method to the path of a prefix route, so that a request must
pass them by. Traffic has the same mix whatever the number of routes, and one request in ten misses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from random import Random

from benchmarks.load import Request

MISSES = 0.1
SHARED_HOST = "h0000.example.com"
ROUTES_A_HOST = 8
READY = ("/p0000/things/1000", SHARED_HOST)
"""Path and host of a request that the first route takes."""
KINDS = {"prefix": 0.5, "exact": 0.2, "regex": 0.1, "header": 0.1, "method": 0.1}


@dataclass(frozen=True, slots=True)
class MixedRoute:
    """One route, with what a request must look like to hit it."""

    kind: str
    name: str
    host: str
    base: str
    """The first segment of the path."""

    @property
    def match(self) -> dict[str, object]:
        """The route's match, as the configuration file has it."""
        paths = {"exact": f"/{self.base}/item", "regex": f"~ ^/{self.base}/[a-z]+/(?P<id>[0-9]+)$"}
        match: dict[str, object] = {"host": self.host, "path": paths.get(self.kind, f"/{self.base}/things/*")}
        if self.kind == "header":
            match["headers"] = {"x-canary": self.name}
        if self.kind == "method":
            match["method"] = ["PUT", "DELETE"]
        return match

    def request(self, random: Random) -> Request:
        """A random request that this route takes."""
        number = random.randrange(1000, 10_000)
        paths = {"exact": f"/{self.base}/item", "regex": f"/{self.base}/orders/{number}"}
        return Request(
            method="DELETE" if self.kind == "method" else "GET",
            path=paths.get(self.kind, f"/{self.base}/things/{number}"),
            host=self.host.replace("*", "www"),
            headers={"X-Canary": self.name} if self.kind == "header" else {},
        )


@dataclass(slots=True)
class Mix:
    """So many mixed routes; the same ones whenever it is made."""

    count: int
    routes: list[MixedRoute] = field(init=False)

    def __post_init__(self) -> None:
        counts = {kind: max(1, round(self.count * share)) for kind, share in KINDS.items()}
        counts["prefix"] = self.count - sum(counts.values()) + counts["prefix"]
        hosts = max(1, self.count * 2 // 3 // ROUTES_A_HOST)
        prefixes = [self._route("prefix", i, hosts) for i in range(counts["prefix"])]
        own_path = [self._route(kind, i, hosts) for kind in ("exact", "regex") for i in range(counts[kind])]
        narrowed = []
        for kind, offset in (("header", 0), ("method", 1)):
            for i in range(counts[kind]):
                passed = prefixes[(i * 5 + offset) % len(prefixes)]
                narrowed.append(MixedRoute(kind, f"{kind}-{i:04}", passed.host, passed.base))
        self.routes = prefixes + own_path + narrowed

    @staticmethod
    def _route(kind: str, index: int, hosts: int) -> MixedRoute:
        number = 1 + index * 7 % hosts
        name = f"h{number:04}.example.com"
        host = SHARED_HOST if index % 3 == 0 else f"*.{name}" if number % 10 == 0 else name
        return MixedRoute(kind, f"{kind}-{index:04}", host, f"{kind[0]}{index:04}")

    def requests(self, count: int) -> list[Request]:
        """Random requests; those that miss have a path or a host that no route has.

        How many are of which kind and how many miss is not left to chance: a miss takes half of what a hit
        takes, so that one in a hundred more or less would be seen in what is compared.
        """
        random = Random(self.count)
        kinds = [kind for kind, share in KINDS.items() for _ in range(ceil(count * share))][:count]
        random.shuffle(kinds)
        misses = round(count * MISSES)
        changes = [Mix._other_path, Mix._other_host] * (misses // 2) + [Mix._same] * (count - misses // 2 * 2)
        by_kind = {kind: [route for route in self.routes if route.kind == kind] for kind in KINDS}
        found = [
            change(random.choice(by_kind[kind]).request(random))
            for kind, change in zip(kinds, changes, strict=True)
        ]
        random.shuffle(found)
        return found

    @staticmethod
    def _same(request: Request) -> Request:
        return request

    @staticmethod
    def _other_path(request: Request) -> Request:
        return Request(request.method, "/y" + request.path[2:], request.host, request.headers)

    @staticmethod
    def _other_host(request: Request) -> Request:
        return Request(request.method, request.path, request.host.replace(".com", ".org"), request.headers)


def configuration(count: int) -> list[dict[str, object]]:
    """The `routes` of a configuration file with so many routes to the service `backend`."""
    return [{"name": route.name, "match": route.match, "service": "backend"} for route in Mix(count).routes]
