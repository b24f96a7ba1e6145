cpdef enum Abuse:
    RAPID_RESETS = 0            # streams that a peer opens and resets, or makes us reset
    REFUSED_STREAMS             # opened over the limit
    PINGS                       # and answers to pings that we did not send
    SETTINGS_CHANGES            # and acknowledgements
    EMPTY_FRAMES                # that carry nothing and end nothing
    WINDOW_UPDATES
    PRIORITIES
    CONTINUATIONS
    UNKNOWN_FRAMES
    LARGE_HEADS                 # field lists over the limit
    TINY_WINDOWS                # that make crumbs of a body
    GOAWAYS
    ABUSES


cdef struct Bucket:
    double left
    double at


cdef class Tolerance:
    cdef Bucket[<int>ABUSES] buckets
    cdef readonly int exceeded          # the Abuse that was too much, or -1

    cdef bint spend(self, int abuse, double now, double cost) noexcept
    cdef void earn(self, int abuse, double amount) noexcept
