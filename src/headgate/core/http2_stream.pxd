from libc.stdint cimport int64_t, uint32_t

from headgate.core.head cimport Head


# How a stream came to its end, as long as it is remembered.
cpdef enum StreamEnd:
    NEVER_WAS = 0               # skipped, or too long ago
    ENDED = 1                   # both sides said that they were done
    RESET_BY_PEER = 2
    RESET_BY_US = 3             # frames that were on their way are to be ignored


# The last streams that ended in one way; grows as far as it may, then the oldest goes.
cdef struct Ring:
    uint32_t* keys
    int count
    int capacity
    int next


cdef class Stream:
    cdef int64_t number
    cdef bint remote_over               # END_STREAM came
    cdef bint local_over                # END_STREAM went out, or stands behind the queue
    cdef bint head_came                 # a final head: what follows are data and trailers
    cdef bint head_sent
    cdef bint head_only                 # the answer to HEAD, 204, 304: whatever its length says
    cdef int interim                    # responses before the final one
    cdef bint tunnel                    # DATA is not bound to a length
    cdef uint32_t fault                 # error code with which the stream ends behind our answer, or 0
    cdef int64_t content_left           # of the message that comes; -1 when its length is unknown
    cdef int64_t promised               # of the body that we send, by its length; or -1
    # Windows.
    cdef int64_t send_window
    cdef int64_t receive_window         # the peer may send so much
    cdef int64_t window_size            # of which it is brought up to when half is used up
    cdef int64_t owed                   # consumed, and not credited yet
    # What waits: bytes, then trailers or the bare end.
    cdef list queue
    cdef Py_ssize_t queue_offset        # of the first piece
    cdef Py_ssize_t queued
    cdef Head trailers
    cdef bint end_queued
    cdef bint waiting                   # is in the list of those with a queue
    # RFC 9218.
    cdef int urgency
    cdef bint incremental
    cdef int64_t served                 # turn in which it was served last

    cdef int hold(self, const char* data, Py_ssize_t size) except -1
    cdef void drop_queue(self) noexcept


cdef class ClosedStreams:
    cdef Ring ended                     # numbers
    cdef Ring reset                     # twice the number, and 1 more for what we have reset

    cdef int remember(self, int64_t number, int end) except -1
    cdef int end_of(self, int64_t number) noexcept


cdef Stream new_stream(int64_t number, int64_t send_window, int64_t receive_window)
cdef int read_priority(Stream stream, const char* data, Py_ssize_t size) noexcept
