"""The routes of one host, compiled so that their number does not matter.

Paths lie in a radix tree; a regular expression is tried only when the path begins with its literal
prefix, then in one call with all that share it. This gives a few candidates in the order's rank; of
each the further conditions are checked, and nothing behind the best one found so far is looked at.
"""

from headgate.core.regex import compile_sets, literal_prefix

# A shorter literal prefix says too little about a path to be worth a place of its own.
cdef enum:
    LEAST_LITERAL = 2


cdef inline Span path_of(Head head) noexcept:
    """The path; empty for the asterisk form."""
    return head.path if head.path.data != NULL else Span(b"", 0)


cdef inline bint ends_segment(Span path, Py_ssize_t depth) noexcept:
    """Whether a prefix of `depth` bytes takes the path: /v1/* takes /v1 and /v1/x, not /v1x."""
    return depth == path.size or path.data[depth] == c"/"


cdef list unpack(Ranks ranks):
    cdef int number
    return [ranks.ranks[number] for number in range(ranks.count)]


cdef class Bucket:
    """Regular expressions that are matched together, in one call."""

    def __init__(self, list patterns, bint anchored):
        self.matchers = compile_sets(patterns, anchored=anchored)

    cdef list matching(self, Span path):
        """Ranks of those that match, lowest first."""
        cdef bytes text = path.data[:path.size]
        cdef int first
        cdef int number
        found = []
        for first, matcher in self.matchers:
            for number in matcher(text) or ():
                found.append(self.ranks.ranks[first + number])
        found.sort()
        return found


cdef class Level:
    """The routes of one host, of one wildcard, or of any host."""

    def __init__(self, str host, list entries, list conditions, Arena arena not None):
        """`entries` in matching order; `conditions` by route."""
        cdef int rank
        self.arena = arena
        self.conditions = conditions
        self.host = host
        self.entries = entries
        self.count = len(entries)
        self.routes = <int32_t*>self.arena.take(self.count * sizeof(int32_t))
        for rank in range(self.count):
            self.routes[rank] = entries[rank].route
        self.compile_paths()

    cdef Ranks pack(self, numbers):
        cdef Ranks ranks
        ranks.count = len(numbers)
        ranks.ranks = <int32_t*>self.arena.take(ranks.count * sizeof(int32_t) + 1)
        for position, number in enumerate(numbers):
            ranks.ranks[<int>position] = number
        return ranks

    cdef int compile_paths(self) except -1:
        cdef Place* place
        cdef Bucket bucket
        by_kind = {"exact": {}, "prefix": {}, "regex": {}, "any": {}}
        for rank, entry in enumerate(self.entries):
            by_kind[entry.kind].setdefault(entry.value, []).append(rank)
        self.pathless = self.pack(by_kind["any"].get(b"", ()))
        literals, loose = bucket_ranks(self.entries)
        self.loose = self.bucket(loose, False) if loose else None
        keys = dict.fromkeys([*by_kind["exact"], *by_kind["prefix"], *literals])
        self.paths = Radix(self.arena)
        self.places = <Place*>self.arena.take(len(keys) * sizeof(Place) + 1)
        self.buckets = []
        for value, key in enumerate(keys):
            self.paths.insert(key, value)
            place = &self.places[<int>value]
            place.exact = self.pack(by_kind["exact"].get(key, ()))
            place.prefix = self.pack(by_kind["prefix"].get(key, ()))
            self.buckets.append(self.bucket(literals[key], True) if key in literals else None)
        self.paths.link()
        return 0

    def bucket(self, list numbers, bint anchored) -> Bucket:
        cdef Bucket bucket = Bucket([self.entries[rank].value.decode() for rank in numbers], anchored)
        bucket.ranks = self.pack(numbers)
        return bucket

    cdef int search(self, Head head, int listener, const uint8_t* client) except -2:
        """Index of the first route that takes the request, or -1."""
        cdef Span path = path_of(head)
        cdef Node* node = self.paths.descend(path.data, path.size)
        cdef Place* place
        cdef Bucket bucket = None
        cdef int best = self.count
        while node != NULL:
            if node.value >= 0:
                place = &self.places[node.value]
                if node.depth == path.size:
                    best = self.first(place.exact, best, head, listener, client)
                if ends_segment(path, node.depth):
                    best = self.first(place.prefix, best, head, listener, client)
                if bucket is None:
                    bucket = self.buckets[node.value]
            node = node.up
        if bucket is not None:
            best = self.first_regex(bucket, best, head, listener, client)
        if self.loose is not None:
            best = self.first_regex(self.loose, best, head, listener, client)
        best = self.first(self.pathless, best, head, listener, client)
        return self.routes[best] if best < self.count else -1

    cdef int first(self, Ranks ranks, int best, Head head, int listener, const uint8_t* client) except -1:
        """The lowest of these ranks below `best` whose further conditions hold, or `best`."""
        cdef int number
        for number in range(ranks.count):
            if ranks.ranks[number] >= best:
                break
            if self.conditions_of(ranks.ranks[number]).failing(head, listener, client) < 0:
                return ranks.ranks[number]
        return best

    cdef int first_regex(self, Bucket bucket, int best, Head head, int listener,
                         const uint8_t* client) except -1:
        """As `first`, of the bucket's expressions that match."""
        cdef int rank
        if bucket.ranks.ranks[0] >= best:
            return best
        for rank in bucket.matching(path_of(head)):
            if rank >= best:
                break
            if self.conditions_of(rank).failing(head, listener, client) < 0:
                return rank
        return best

    cdef Conditions conditions_of(self, int rank):
        return <Conditions>self.conditions[self.routes[rank]]

    cdef list candidates(self, Head head):
        """Ranks of the entries whose path takes the request, the closest paths first."""
        cdef Span path = path_of(head)
        cdef Node* node = self.paths.descend(path.data, path.size)
        cdef Place* place
        cdef Bucket bucket
        found = []
        buckets = [self.loose]
        while node != NULL:
            if node.value >= 0:
                place = &self.places[node.value]
                if node.depth == path.size:
                    found += unpack(place.exact)
                if ends_segment(path, node.depth):
                    found += unpack(place.prefix)
                buckets.append(self.buckets[node.value])
            node = node.up
        for bucket in buckets:
            if bucket is not None:
                found += bucket.matching(path)
        return found + unpack(self.pathless)

    cdef object neighbour(self, Head head):
        """An entry whose path has the most bytes in common with the request's."""
        cdef Span path = path_of(head)
        cdef Node* node = self.paths.descend(path.data, path.size)
        cdef Place* place
        cdef Bucket bucket
        while node.value < 0 and node.count:
            node = node.children[0]
        if node.value < 0:
            return self.entries[0]
        place = &self.places[node.value]
        if place.exact.count:
            return self.entries[place.exact.ranks[0]]
        if place.prefix.count:
            return self.entries[place.prefix.ranks[0]]
        bucket = self.buckets[node.value]
        return self.entries[bucket.ranks.ranks[0]]


def bucket_ranks(entries) -> tuple[dict[bytes, list[int]], list[int]]:
    """Ranks of the regular expressions by literal prefix, and of those without one.

    A literal that begins with another one joins it, so that no path meets two buckets with one.
    """
    by_literal = {}
    for rank, entry in enumerate(entries):
        if entry.kind == "regex":
            by_literal.setdefault(literal_prefix(entry.value.decode()), []).append(rank)
    loose = []
    joined = {}
    last = None
    for literal in sorted(by_literal):
        if len(literal) < LEAST_LITERAL:
            loose += by_literal[literal]
        elif last is not None and literal.startswith(last):
            joined[last] += by_literal[literal]
        else:
            joined[literal] = by_literal[literal]
            last = literal
    return {literal: sorted(ranks) for literal, ranks in joined.items()}, sorted(loose)
