"""Splits: which of several services an exchange of a route goes to.

A share is found, in this order, by its own conditions, by the hash of a key, or in turn by the weights. The
weights are those of the configuration until somebody writes others into the route's shared cell, which all
workers see at the next exchange.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport INFINITY, log

from headgate.core.hashing cimport hash_bytes
from headgate.core.balancers import identity_of
from headgate.core.head cimport OTHER, Head
from headgate.core.keys cimport KeySource
from headgate.core.selection cimport Selection
from headgate.core.shared cimport SharedCell

cdef enum:
    WEIGHT_BITS = 21
    WEIGHTS_IN_WORD = 3

MOST_SHARES = WEIGHT_WORDS * WEIGHTS_IN_WORD
MOST_WEIGHT = (1 << WEIGHT_BITS) - 1


cdef class Share:
    """`header`: the name of the field that tells clients which variant they got, or ""."""

    def __init__(self, str route, spec, str header, Block block):
        self.name = spec.name.encode()
        self.header = header.encode()
        self.selection = None if spec.selection is None else Selection(spec.selection)
        # With the route's name in it, or who is in one experiment would be in all of them.
        self.seed = identity_of(f"{route}\n{spec.name}")
        self.weight = self.configured = spec.weight
        self.block = block

    cdef int tell(self, Head head) except -1:
        """Name the variant in a response; what the service itself said is dropped."""
        if PyBytes_GET_SIZE(self.header):
            head.drop_name(PyBytes_AS_STRING(self.header), PyBytes_GET_SIZE(self.header))
            head.add_line(PyBytes_AS_STRING(self.header), PyBytes_GET_SIZE(self.header),
                          PyBytes_AS_STRING(self.name), PyBytes_GET_SIZE(self.name), OTHER)
        return 0


cdef class Split:
    """`sticky`: what keeps a client with its share, a spec.Key or None."""

    def __init__(self, list shares, sticky, SharedCell cell):
        self.shares = shares
        self.count = len(shares)
        self.forces = any((<Share>share).selection is not None for share in shares)
        self.key_source = None if sticky is None else KeySource(sticky.kind, sticky.name)
        self.cell = cell
        self.identity = identity_of_shares([(<Share>share).name.decode() for share in shares])

    cdef Py_ssize_t choose(self, Head head, int listener, const uint8_t* client) except -1:
        """The number of the share for an exchange."""
        cdef Py_ssize_t number
        cdef Selection selection
        cdef uint64_t key
        if self.forces:
            for number in range(self.count):
                selection = (<Share>self.shares[number]).selection
                if selection is not None and selection.fits(head, listener, client):
                    return number
        self.refresh()
        if self.key_source is not None:
            key = self.key_source.key_of(head, client, 0)
            if key:
                return self.place_of(key)
        return self.turn()

    cdef int refresh(self) except -1:
        """Take the weights that hold now."""
        cdef Py_ssize_t number
        cdef Share share
        cdef int word
        cdef uint64_t holds = self.cell.get(SHARES_OF)
        cdef bint same = holds == self.seen
        if holds == self.identity:
            for word in range((self.count + WEIGHTS_IN_WORD - 1) // WEIGHTS_IN_WORD):
                same &= self.words[word] == self.cell.get(FIRST_WEIGHTS + word)
                self.words[word] = self.cell.get(FIRST_WEIGHTS + word)
        if same:
            return 0
        self.seen = holds
        for number in range(self.count):
            share = <Share>self.shares[number]
            share.weight = share.configured
            share.current = 0
            if holds == self.identity:
                share.weight = (self.words[number // WEIGHTS_IN_WORD]
                                >> (WEIGHT_BITS * (number % WEIGHTS_IN_WORD))) & <uint64_t>MOST_WEIGHT
        return 0

    cdef Py_ssize_t turn(self) noexcept:
        """Smooth weighted round robin."""
        cdef Py_ssize_t number
        cdef Py_ssize_t best = 0
        cdef double total = 0
        cdef Share share
        for number in range(self.count):
            share = <Share>self.shares[number]
            share.current += share.weight
            total += share.weight
            if share.current > (<Share>self.shares[best]).current:
                best = number
        (<Share>self.shares[best]).current -= total
        return best

    cdef Py_ssize_t place_of(self, uint64_t key) noexcept:
        """Weighted rendezvous: when a weight changes, only as many keys move as must."""
        cdef Py_ssize_t number
        cdef Py_ssize_t best = 0
        cdef double score
        cdef double highest = -INFINITY
        cdef Share share
        for number in range(self.count):
            share = <Share>self.shares[number]
            if share.weight:
                # In (0, 1); the least of exponential variables has a rate that is the sum of all.
                score = log(((hash_bytes(<const char*>&key, 8, share.seed) >> 11) + 0.5)
                            * (1.0 / 9007199254740992.0)) / share.weight
                if score > highest:
                    highest = score
                    best = number
        return best


def identity_of_shares(names: list[str]) -> int:
    """What weights that are set for shares of these names say they are for."""
    return identity_of("\n".join(names)) | 1


def set_weights(SharedCell cell not None, names: list[str], weights: list[int]) -> None:
    """Let these weights hold from now on, in all workers. Up to three change at once, of more than three each
    word on its own. Raises ValueError when there are too many shares, a weight is out of range, or all are 0."""
    cdef int word
    if len(names) != len(weights) or len(names) > MOST_SHARES:
        raise ValueError(f"weights of {len(names)} shares cannot be set, only of {MOST_SHARES} at most")
    if any(not 0 <= weight <= MOST_WEIGHT for weight in weights) or not any(weights):
        raise ValueError("weights must be whole numbers from 0 to 1000000, and not all of them 0")
    identity = identity_of_shares(names)
    if cell.get(SHARES_OF) != identity:
        cell.put(SHARES_OF, 0)          # nobody takes weights of other shares for those of these
    for word in range((len(weights) + WEIGHTS_IN_WORD - 1) // WEIGHTS_IN_WORD):
        some = weights[WEIGHTS_IN_WORD * word:WEIGHTS_IN_WORD * (word + 1)]
        cell.put(FIRST_WEIGHTS + word, sum(weight << (WEIGHT_BITS * place) for place, weight in enumerate(some)))
    cell.put(SHARES_OF, identity)


def weights_set(SharedCell cell not None, names: list[str]) -> list[int] | None:
    """The weights that were set for these shares; None when those of the configuration hold."""
    if cell.get(SHARES_OF) != identity_of_shares(names):
        return None
    return [
        (cell.get(FIRST_WEIGHTS + number // WEIGHTS_IN_WORD) >> (WEIGHT_BITS * (number % WEIGHTS_IN_WORD)))
        & MOST_WEIGHT
        for number in range(len(names))
    ]


def forget_weights(SharedCell cell not None) -> None:
    """Let the weights of the configuration hold again."""
    cell.put(SHARES_OF, 0)


def chosen(Split split not None, Head head not None) -> bytes:
    """The name of the share for a request; for tests."""
    return (<Share>split.shares[split.choose(head, 0, NULL)]).name
