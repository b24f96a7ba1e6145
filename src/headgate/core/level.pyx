"""The routes of one host, compiled so that their number does not matter.

Paths lie in a hash table; a regular expression is tried only when the path begins with its literal
prefix, then in one call with all that share it. This gives a few candidates in the order's rank; of
each the further conditions are checked, and nothing behind the best one found so far is looked at.
"""

from bisect import bisect_left
from os.path import commonprefix

from libc.stdint cimport INT32_MAX

from headgate.core.conditions cimport Conditions
from headgate.core.places cimport ends_segment

from headgate.core.places import LONGEST_LITERAL
from headgate.core.regex import behind_literal, compile_sets, literal_prefix

# A shorter literal prefix says too little about a path to be worth a place of its own.
cdef enum:
    LEAST_LITERAL = 2

cdef Turn NOBODY = Turn(INT32_MAX, -2)      # route -1


cdef inline Span path_of(Head head) noexcept:
    """The path; empty for the asterisk form."""
    return head.path if head.path.data != NULL else Span(b"", 0)


cdef list ranks_of(Turns turns):
    cdef int number
    return [turns.turns[number].rank for number in range(turns.count)]


cdef inline Turns exact_of(const Place* place) noexcept:
    return Turns(place.turns, place.exact)


cdef inline Turns prefix_of(const Place* place) noexcept:
    return Turns(place.turns + place.exact, place.prefix)


cdef class Bucket:
    """Regular expressions that are matched together, in one call."""

    def __init__(self, list patterns, Py_ssize_t literal, dict sets):
        """`literal`: bytes with which all begin; `sets`: those compiled so far, by their patterns.

        Patterns that differ in their literal prefix only share one set, which then stays in caches.
        """
        behind = [behind_literal(pattern, literal) for pattern in patterns] if literal else [None]
        if None not in behind:
            patterns = behind
            self.skipped = literal
        key = (literal > 0, *patterns)
        if key not in sets:
            sets[key] = compile_sets(patterns, anchored=literal > 0)
        self.matchers = sets[key]

    cdef list matching(self, Span path):
        """Numbers of those that match, lowest first."""
        cdef bytes text = path.data[self.skipped:path.size]
        found = []
        for first, matcher in self.matchers:
            numbers = matcher(text)
            if numbers is not None:
                found += [first + number for number in numbers] if first else numbers
        if len(found) > 1:
            found.sort()
        return found


cdef class Level(Places):
    """The routes of one host, of one wildcard, or of any host."""

    @staticmethod
    cdef Level of_entries(str host, list entries, PyObject** conditions, dict sets, Arena arena):
        """`entries` in matching order; `conditions` by route; `sets`: see Bucket."""
        cdef Level level = Level()
        level.arena = arena
        level.conditions = conditions
        level.host = host
        level.entries = entries
        level.compile_paths(sets)
        return level

    cdef list turns_of(self, list ranks):
        """The turns of the entries of these ranks."""
        cdef int32_t route
        cdef Turn turn
        turns = []
        for rank in ranks:
            route = self.entries[rank].route
            turn = Turn(rank, 2 * route + (not (<Conditions>self.conditions[route]).none))
            turns.append(turn)
        return turns

    cdef Turns pack(self, list ranks) except *:
        return Turns(self.take_turns(self.turns_of(ranks)), len(ranks))

    def bucket(self, list ranks, Py_ssize_t literal, dict sets) -> Bucket:
        cdef Bucket bucket = Bucket([self.entries[rank].value.decode() for rank in ranks], literal, sets)
        bucket.turns = self.pack(ranks)
        return bucket

    cdef int compile_paths(self, dict sets) except -1:
        cdef Bucket bucket
        by_kind = {"exact": {}, "prefix": {}, "regex": {}, "any": {}}
        for rank, entry in enumerate(self.entries):
            by_kind[entry.kind].setdefault(entry.value, []).append(rank)
        self.pathless = self.pack(by_kind["any"].get(b"", []))
        literals, loose = bucket_ranks(self.entries)
        self.loose = self.bucket(loose, 0, sets) if loose else None
        self.further = self.pathless.count > 0 or self.loose is not None
        self.buckets = []
        self.keys = sorted({*by_kind["exact"], *by_kind["prefix"], *literals})
        self.key_ranks = []
        self.reserve(len(self.keys))
        for key in self.keys:
            exact = by_kind["exact"].get(key, [])
            prefix = by_kind["prefix"].get(key, [])
            ranks = literals.get(key, [])
            self.insert(key, self.turns_of(exact), self.turns_of(prefix), len(self.buckets) if ranks else -1)
            if ranks:
                self.buckets.append(self.bucket(ranks, len(key), sets))
            self.key_ranks.append((exact or prefix or ranks)[0])
        return 0

    cdef int search(self, Head head, int listener, const uint8_t* client) except -2:
        """Index of the first route that takes the request, or -1."""
        cdef Span path = path_of(head)
        cdef Place* place = self.deepest(path.data, path.size)
        cdef int bucket = -1
        cdef Turn* best = &NOBODY
        while place != NULL:
            if place.exact and place.size == path.size:
                best = self.first(exact_of(place), best, head, listener, client)
            if place.prefix and ends_segment(path.data, path.size, place.size):
                best = self.first(prefix_of(place), best, head, listener, client)
            if bucket < 0:
                bucket = place.bucket
            place = self.above(place)
        if bucket >= 0:
            best = self.first_regex(<Bucket>self.buckets[bucket], path, best, head, listener, client)
        if self.further:
            if self.loose is not None:
                best = self.first_regex(self.loose, path, best, head, listener, client)
            best = self.first(self.pathless, best, head, listener, client)
        return best.route >> 1

    cdef Turn* first(self, Turns turns, Turn* best, Head head, int listener,
                     const uint8_t* client) except NULL:
        """The first of these turns before `best` whose further conditions hold, or `best`."""
        cdef Turn* turn = turns.turns
        cdef Turn* end = turn + turns.count
        while turn < end and turn.rank < best.rank:
            if self.takes(turn, head, listener, client):
                return turn
            turn += 1
        return best

    cdef inline bint takes(self, Turn* turn, Head head, int listener, const uint8_t* client) except -1:
        """Whether the further conditions hold."""
        if not turn.route & 1:
            return True
        return (<Conditions>self.conditions[turn.route >> 1]).failing(head, listener, client) < 0

    cdef Turn* first_regex(self, Bucket bucket, Span path, Turn* best, Head head, int listener,
                           const uint8_t* client) except NULL:
        """As `first`, of the bucket's expressions that match."""
        cdef Turn* turn
        cdef int number
        if bucket.turns.turns[0].rank >= best.rank:
            return best
        for number in bucket.matching(path):
            turn = &bucket.turns.turns[number]
            if turn.rank >= best.rank:
                break
            if self.takes(turn, head, listener, client):
                return turn
        return best

    cdef list candidates(self, Head head):
        """Ranks of the entries whose path takes the request, the closest paths first."""
        cdef Span path = path_of(head)
        cdef Place* place = self.deepest(path.data, path.size)
        cdef Bucket bucket
        found = []
        buckets = [] if self.loose is None else [self.loose]
        while place != NULL:
            if place.size == path.size:
                found += ranks_of(exact_of(place))
            if ends_segment(path.data, path.size, place.size):
                found += ranks_of(prefix_of(place))
            if place.bucket >= 0:
                buckets.append(self.buckets[place.bucket])
            place = self.above(place)
        for bucket in buckets:
            found += [bucket.turns.turns[<int>number].rank for number in bucket.matching(path)]
        return found + ranks_of(self.pathless)

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
