"""The routing table: which route takes a request.

The order is that of core/order. It is compiled so that the number of routes does not matter: hosts
lie in a hash table (core/hosts), the paths of each host in another (core/level).
"""

from ipaddress import ip_address
from time import perf_counter_ns

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.exc cimport PyErr_WriteUnraisable
from cpython.object cimport PyObject
from libc.string cimport memcpy

from headgate.core.handshake cimport Handshake
from headgate.core.head cimport Span, method_of, text_of, token_of
from headgate.core.events cimport REQUEST_HEAD
from headgate.core.hosts cimport HostKey, MOST_LEVELS
from headgate.core.level cimport search
from headgate.core.places cimport expect_place

from headgate.core.addresses import address_bytes
from headgate.core.explanation import Explanation, Question, Step, failure, host_failure, path_failure
from headgate.core.order import Entry, host_key, levels as ordered_levels
from headgate.core.regex import check_regex
from headgate.core.shadow import shadowed

__all__ = ["RoutingTable", "check_regex"]

# Entries that `nearest` compares, at most: a 404 must not cost much more than an answer.
cdef enum:
    MOST_COMPARED = 64
    MOST_HOST_BYTES = 255

def own_entries(levels, int count) -> list[list[Entry]]:
    """The entries of each route, in matching order."""
    own = [{} for _ in range(count)]
    for entries in levels.values():
        for entry in entries:
            own[entry.route][entry] = True
    return [list(entries) for entries in own]


def conditions_of(route) -> tuple[object, ...]:
    """What Conditions are made from."""
    match = route.match
    return route.listeners, match.methods, match.client, match.headers, match.query, match.tls


cdef class RoutingTable:
    """Finds the route of a request. Built once from routes in file order; never changes."""

    def __init__(self, routes, *, listeners=()):
        """`routes`: as `headgate.spec.Route`; `listeners`: names, numbered in this order.

        Raises ValueError naming the route when one cannot be compiled.
        """
        cdef Arena arena = Arena()
        cdef PyObject** by_route
        cdef Py_ssize_t number
        self.routes = tuple(routes)
        self.listeners = tuple(listeners)
        self.conditions = []
        known = {}                      # many routes ask for the same, or for nothing: one place in the caches
        for route in self.routes:
            asked = conditions_of(route)
            if asked not in known:
                try:
                    known[asked] = Conditions(route, self.listeners, arena)
                except ValueError as error:
                    raise ValueError(f"route {route.name}: {error}") from None
            self.conditions.append(known[asked])
        by_route = <PyObject**>arena.take(len(self.conditions) * sizeof(PyObject*) + 1)
        for number in range(len(self.conditions)):
            if not (<Conditions>self.conditions[number]).none:
                by_route[number] = <PyObject*>self.conditions[number]
        sets = {}
        found = ordered_levels(self.routes)
        self.own = own_entries(found, len(self.routes))
        self.any_host = Level.of_entries("", found.pop("", []), by_route, sets, arena)
        self.levels = [Level.of_entries(host, entries, by_route, sets, arena) for host, entries in found.items()]
        self.hosts = Hosts(dict(zip(found, self.levels, strict=True)), arena)

    cdef const HostKey* approach(self, Head head) noexcept:
        cdef const HostKey* host = self.hosts.exact(head.host.data, head.host.size)
        if head.path.data != NULL:
            expect_place(&host.paths if host != NULL else &self.any_host.paths, head.path.data, head.path.size)
        return host

    cdef Py_ssize_t match(self, Head head, const HostKey* host, int listener, const uint8_t* client) noexcept:
        try:
            return self.find(head, host, listener, client)
        except BaseException:
            # Only for want of memory. No route is the safe answer.
            PyErr_WriteUnraisable(self)
            return -1

    cdef Py_ssize_t find(self, Head head, const HostKey* host, int listener, const uint8_t* client) except -2:
        cdef const HostKey* keys[MOST_LEVELS]
        cdef int number
        cdef int route
        if host != NULL:
            route = search(&host.paths, head, listener, client)
            if route >= 0:
                return route
        for number in range(self.hosts.suffixes(head.host.data, head.host.size, keys)):
            route = search(&keys[number].paths, head, listener, client)
            if route >= 0:
                return route
        return search(&self.any_host.paths, head, listener, client)

    cpdef dict captures(self, Py_ssize_t route, bytes path):
        """Named groups of the regular expression by which the route takes `path`; {} when it takes
        it by another kind of path. A group that took no part is "". Values are Latin-1.
        """
        for entry in self.own[route]:
            if entry.takes(path):
                return entry.captures(path)
        return {}

    cdef list levels_of(self, Head head):
        """The levels that a request meets, in matching order."""
        found = [self.levels[number] for number in self.hosts.levels(head.host.data[:head.host.size])]
        return [*found, self.any_host] if self.any_host.entries else found

    cdef tuple nearest(self, Head head, int listener, const uint8_t* client):
        """Of the routes whose path takes the request (the first MOST_COMPARED of them), the one with
        the fewest failing conditions; when there is none, one with the most of the path in common.
        """
        cdef Conditions conditions
        cdef Level level
        cdef int failing
        cdef int fewest = -1
        cdef int left = MOST_COMPARED
        question = question_of(head, client, self.name_of(listener))
        levels = self.levels_of(head)
        nearest = -1
        for level in levels:
            for rank in level.candidates(head)[:left]:
                left -= 1
                route = level.entries[rank].route
                conditions = <Conditions>self.conditions[route]
                failing = conditions.count - conditions.holding(head, listener, client)
                if fewest < 0 or failing < fewest:
                    fewest = failing
                    nearest = route
        if nearest >= 0:
            conditions = <Conditions>self.conditions[nearest]
            number = conditions.failing(head, listener, client)
            return nearest, failure(self.routes[nearest], number, question, values=False)
        for level in levels:
            entry = level.neighbour(head)
            return entry.route, path_failure(str(entry), question.path)
        return -1, no_host(question.host)

    def name_of(self, int listener) -> str:
        return self.listeners[listener] if 0 <= listener < len(self.listeners) else ""

    def explain(self, method: str, host: str, path: str, query: str | None = None, headers=(),
                client: str | None = None, listener: str = "",
                Handshake handshake=None) -> Explanation:
        """The whole decision for a request. `path` is normalised, without the query; `query` is what
        stands behind the "?". Raises ValueError for an unknown listener or a malformed address.
        """
        cdef Level level
        cdef Head head = request_head(method, host, path, query, headers)
        cdef int number = self.number_of(listener)
        cdef bytes address = address_bytes(client) if client is not None else None
        cdef const uint8_t* packed = octets(address)
        question = Question(method, host_key(host), path, client, listener)
        steps = []
        head.handshake = handshake
        for level in self.levels_of(head):
            for entry in level.entries:
                failed = self.failure_of(entry, head, number, packed, question)
                steps.append(step(self.routes[entry.route], entry, level.host, failed))
                if not failed:
                    others = self.others(steps, question)
                    return Explanation(entry.route, tuple(steps), others, entry.captures(path.encode()), "")
        index, reason = self.nearest(head, number, packed)
        nearest = f"{self.routes[index].name}: {reason}" if index >= 0 else reason
        return Explanation(-1, tuple(steps), self.others(steps, question), {}, nearest)

    cdef str failure_of(self, entry, Head head, int listener, const uint8_t* client, question):
        """The first condition that fails, of the path and the further ones; "" when none does."""
        cdef int number
        if not entry.takes(head.path.data[:head.path.size]):
            return path_failure(str(entry), question.path)
        number = (<Conditions>self.conditions[entry.route]).failing(head, listener, client)
        return "" if number < 0 else failure(self.routes[entry.route], number, question, values=True)

    def others(self, steps, question) -> tuple[Step, ...]:
        """The routes that are not in `steps`, in file order."""
        seen = {step.index for step in steps}
        met = {level.host for level in self.levels_of(request_head("GET", question.host, "/", None, ()))}
        found = []
        for index, route in enumerate(self.routes):
            if index in seen:
                continue
            hosts = [host_key(host) for host in route.match.hosts]
            passed = not hosts or not met.isdisjoint(hosts)
            reason = "an earlier route takes the request" if passed else host_failure(hosts, question.host)
            found.append(step(route, self.own[index][0], ", ".join(hosts), reason))
        return tuple(found)

    def number_of(self, str listener) -> int:
        if not listener and not self.listeners:
            return -1
        if listener not in self.listeners:
            raise ValueError(f"listener {listener} does not exist")
        return self.listeners.index(listener)

    def winner(self, method: str, host: str, path: str, query: str | None = None, headers=(),
               client: str | None = None, listener: str = "", Handshake handshake=None) -> int:
        """Index of the route that takes the request, or -1, found as traffic is. See `explain`."""
        cdef bytes address = address_bytes(client) if client is not None else None
        cdef const uint8_t* packed = octets(address)
        cdef Head head = request_head(method, host, path, query, headers)
        head.handshake = handshake
        return self.match(head, self.approach(head), self.number_of(listener), packed)

    def shadowed(self) -> list[tuple[int, int]]:
        """Pairs (route that can never match, an earlier route that takes all it could), by index.

        Conservative: what is reported is certain.
        """
        cdef Level level
        levels = {level.host: level.entries for level in [*self.levels, self.any_host]}
        return shadowed(self.routes, levels, self.listeners)

    def measure(self, requests, int rounds) -> float:
        """Mean nanoseconds of one match. `requests`: tuples of (method, host, path, query, headers)."""
        cdef Head head
        cdef Py_ssize_t found = 0
        heads = [
            request_head(method, host, path, query, headers)
            for method, host, path, query, headers in requests
        ]
        started = perf_counter_ns()
        for _ in range(rounds):
            for head in heads:
                found += self.match(head, self.approach(head), 0, NULL)
        return (perf_counter_ns() - started) / (rounds * len(heads))


def step(route, entry, str host, str failed) -> Step:
    return Step(entry.route, route.name, route.where, host, str(entry), failed)


def no_host(str host) -> str:
    return f"no route is for host {host}" if host else "no route is for a request without a host"


cdef inline const uint8_t* octets(bytes address) noexcept:
    if address is None:
        return NULL
    return <const uint8_t*>PyBytes_AS_STRING(address)


cdef object question_of(Head head, const uint8_t* client, str listener):
    """The request in words."""
    address = None
    if client != NULL:
        address = ip_address((<const char*>client)[:16])
        address = str(address.ipv4_mapped or address)
    return Question(text_of(head.method_text), text_of(head.host), text_of(head.path), address, listener)


cdef Head request_head(str method, str host, str path, query, headers):
    """A head with these parts, as the codec makes them."""
    cdef Head head = Head(REQUEST_HEAD)
    cdef bytes text = method.encode() + (query or "").encode()
    cdef bytes name, value
    cdef Py_ssize_t size = len(method.encode())
    head.keep(text, len(text))
    head.method_text = Span(head.bytes, size)
    head.method = method_of(head.bytes, size)
    head.query = Span(head.bytes + size, len(text) - size)
    head.has_query = query is not None
    text = path.encode()
    head.set_path(text, len(text))
    text = host_key(host).encode()
    if len(text) > MOST_HOST_BYTES:
        raise ValueError(f"host {host}: longer than {MOST_HOST_BYTES} bytes")
    memcpy(head.host_bytes, PyBytes_AS_STRING(text), len(text))
    head.host.data = head.host_bytes
    head.host.size = len(text)
    for field in headers:
        name, value = field[0].encode(), field[1].encode()
        head.add_line(name, len(name), value, len(value), token_of(name, len(name)))
    return head
