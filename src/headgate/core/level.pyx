"""The routes of one host, compiled so that their number does not matter.

Paths lie in a hash table; a regular expression is tried only when the path begins with its literal
prefix, then in one call with all that share it. This gives a few candidates in the order's rank; of
each the further conditions are checked, and nothing behind the best one found so far is looked at.
"""

from bisect import bisect_left
from os.path import commonprefix

from libc.stdint cimport INT32_MAX, int32_t

from headgate.core.conditions cimport Conditions
from headgate.core.places cimport Bucket, Place, Queue, above, deepest, ends_segment, turns_of

from headgate.core.places import LONGEST_LITERAL
from headgate.core.regex import behind_literal, compile_sets, literal_prefix

# A shorter literal prefix says too little about a path to be worth a place of its own.
cdef enum:
    LEAST_LITERAL = 2

cdef Turn NOBODY = Turn(INT32_MAX, -1, NULL)


cdef inline Span path_of(Head head) noexcept:
    """The path; empty for the asterisk form."""
    return head.path if head.path.data != NULL else Span(b"", 0)


cdef list ranks_of(Queue queue):
    cdef int number
    return [queue.turns[number].rank for number in range(queue.count)]


cdef inline Queue exact_of(const Place* place) noexcept:
    return Queue(turns_of(place), place.exact)


cdef inline Queue prefix_of(const Place* place) noexcept:
    return Queue(turns_of(place) + place.exact, place.prefix)


cdef inline bint takes(const Turn* turn, Head head, int listener, const uint8_t* client) except -1:
    """Whether the further conditions hold."""
    return turn.conditions == NULL or (<Conditions>turn.conditions).failing(head, listener, client) < 0


cdef const Turn* first(Queue queue, const Turn* best, Head head, int listener, const uint8_t* client) except NULL:
    """The first of these turns before `best` whose further conditions hold, or `best`."""
    cdef const Turn* turn = queue.turns
    cdef const Turn* end = turn + queue.count
    while turn < end and turn.rank < best.rank:
        if takes(turn, head, listener, client):
            return turn
        turn += 1
    return best


cdef list matching(const Bucket* bucket, Span path):
    """Numbers of those that match, lowest first."""
    cdef bytes text = path.data[bucket.skipped:path.size]
    found = []
    for first, matcher in <list>bucket.matchers:
        numbers = matcher(text)
        if numbers is not None:
            found += [first + number for number in numbers] if first else numbers
    if len(found) > 1:
        found.sort()
    return found


cdef list matching_ranks(const Bucket* bucket, Span path):
    return [bucket.queue.turns[<int>number].rank for number in matching(bucket, path)]


cdef const Turn* first_regex(const Bucket* bucket, Span path, const Turn* best, Head head, int listener,
                             const uint8_t* client) except NULL:
    """As `first`, of the bucket's expressions that match."""
    cdef const Turn* turn
    cdef int number
    if bucket.queue.turns[0].rank >= best.rank:
        return best
    for number in matching(bucket, path):
        turn = &bucket.queue.turns[number]
        if turn.rank >= best.rank:
            break
        if takes(turn, head, listener, client):
            return turn
    return best


cdef int search(const Paths* paths, Head head, int listener, const uint8_t* client) except -2:
    cdef Span path = path_of(head)
    cdef const Place* place = deepest(paths, path.data, path.size)
    cdef int bucket = -1
    cdef const Turn* best = &NOBODY
    while place != NULL:
        if place.exact and place.size == path.size:
            best = first(exact_of(place), best, head, listener, client)
        if place.prefix and ends_segment(path.data, path.size, place.size):
            best = first(prefix_of(place), best, head, listener, client)
        if bucket < 0:
            bucket = place.bucket
        place = above(paths, place)
    if bucket >= 0:
        best = first_regex(&paths.buckets[bucket], path, best, head, listener, client)
    if paths.further:
        best = (<Level>paths.level).first_further(path, best, head, listener, client)
    return best.route


cdef class Level(Places):
    """The routes of one host, of one wildcard, or of any host."""

    @staticmethod
    cdef Level of_entries(str host, list entries, PyObject** conditions, dict sets, Arena arena):
        """`entries` in matching order; `conditions` by route; `sets`: see `fill`."""
        cdef Level level = Level()
        level.arena = arena
        level.conditions = conditions
        level.host = host
        level.entries = entries
        level.compile_paths(sets)
        return level

    cdef Queue pack(self, list ranks) except *:
        """The turns of the entries of these ranks."""
        cdef Turn* turns = <Turn*>self.arena.take(len(ranks) * sizeof(Turn) + 1)
        cdef int32_t number, rank, route
        for number, rank in enumerate(ranks):
            route = self.entries[rank].route
            turns[number] = Turn(rank, route, self.conditions[route])
        return Queue(turns, len(ranks))

    cdef int fill(self, Bucket* bucket, list ranks, Py_ssize_t literal, dict sets) except -1:
        """Put the regular expressions of these ranks into a bucket.

        `literal`: bytes with which all begin; `sets`: those compiled so far, by their patterns. Patterns that
        differ in their literal prefix only share one set, which then stays in caches.
        """
        patterns = [self.entries[rank].value.decode() for rank in ranks]
        behind = [behind_literal(pattern, literal) for pattern in patterns] if literal else [None]
        if None not in behind:
            patterns = behind
            bucket.skipped = literal
        key = (literal > 0, *patterns)
        if key not in sets:
            sets[key] = compile_sets(patterns, anchored=literal > 0)
        self.matchers.append(sets[key])
        bucket.matchers = <PyObject*>sets[key]
        bucket.queue = self.pack(ranks)
        if bucket.queue.count == 1:
            bucket.only = bucket.queue.turns[0]
            bucket.queue.turns = &bucket.only
        return 0

    cdef int compile_paths(self, dict sets) except -1:
        cdef int32_t number = 0
        by_kind = {"exact": {}, "prefix": {}, "regex": {}, "any": {}}
        for rank, entry in enumerate(self.entries):
            by_kind[entry.kind].setdefault(entry.value, []).append(rank)
        self.pathless = self.pack(by_kind["any"].get(b"", []))
        literals, loose = bucket_ranks(self.entries)
        self.matchers = []
        self.paths.buckets = <Bucket*>self.arena.take_lines((len(literals) + 1) * sizeof(Bucket))
        if loose:
            self.loose = &self.paths.buckets[<int>len(literals)]
            self.fill(self.loose, loose, 0, sets)
        self.paths.level = <PyObject*>self
        self.paths.further = self.pathless.count > 0 or self.loose != NULL
        self.keys = sorted({*by_kind["exact"], *by_kind["prefix"], *literals})
        self.key_ranks = []
        self.reserve(len(self.keys))
        for key in self.keys:
            exact = by_kind["exact"].get(key, [])
            prefix = by_kind["prefix"].get(key, [])
            ranks = literals.get(key, [])
            self.insert(key, self.pack(exact + prefix).turns, len(exact), len(prefix), number if ranks else -1)
            if ranks:
                self.fill(&self.paths.buckets[number], ranks, len(key), sets)
                number += 1
            self.key_ranks.append((exact or prefix or ranks)[0])
        return 0

    cdef const Turn* first_further(self, Span path, const Turn* best, Head head, int listener,
                                   const uint8_t* client) except NULL:
        """As `first`, of the routes that no place leads to."""
        if self.loose != NULL:
            best = first_regex(self.loose, path, best, head, listener, client)
        return first(self.pathless, best, head, listener, client)

    cdef list candidates(self, Head head):
        """Ranks of the entries whose path takes the request, the closest paths first."""
        cdef Span path = path_of(head)
        cdef const Place* place = deepest(&self.paths, path.data, path.size)
        found = []
        by_regex = []
        while place != NULL:
            if place.size == path.size:
                found += ranks_of(exact_of(place))
            if ends_segment(path.data, path.size, place.size):
                found += ranks_of(prefix_of(place))
            if place.bucket >= 0:
                by_regex += matching_ranks(&self.paths.buckets[place.bucket], path)
            place = above(&self.paths, place)
        if self.loose != NULL:
            by_regex = matching_ranks(self.loose, path) + by_regex
        return found + by_regex + ranks_of(self.pathless)

    cdef object neighbour(self, Head head):
        """An entry whose path has the most bytes in common with the request's."""
        cdef Span path = path_of(head)
        cdef bytes text = path.data[:path.size]
        cdef Py_ssize_t at = bisect_left(self.keys, text)
        near = range(max(at - 1, 0), min(at + 1, len(self.keys)))
        if not near:
            return self.entries[0]
        best = max(near, key=lambda number: len(commonprefix([self.keys[number], text])))
        return self.entries[self.key_ranks[best]]


def bucket_ranks(entries) -> tuple[dict[bytes, list[int]], list[int]]:
    """Ranks of the regular expressions by literal prefix, and of those without one.

    A literal that begins with another one joins it, so that no path meets two buckets with one.
    """
    by_literal = {}
    for rank, entry in enumerate(entries):
        if entry.kind == "regex":
            by_literal.setdefault(literal_prefix(entry.value.decode())[:LONGEST_LITERAL], []).append(rank)
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
