from libc.stdint cimport int64_t, uint8_t, uint64_t

from headgate.core.cells cimport Block
from headgate.core.events cimport Data
from headgate.core.head cimport Head
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Pacer, Passage


cdef enum Hook:
    ON_REQUEST
    ON_RESPONSE
    ON_BODY
    ON_DONE
    HOOKS


# One instance of a middleware in this worker; found again by name while its options are equal.
cdef class Step:
    cdef readonly object spec           # spec.Middleware
    cdef readonly object middleware
    cdef readonly str name
    cdef list hooks                     # by Hook; None: not defined
    cdef bint requests, responses       # whose bodies on_body gets
    cdef bint changes_length
    cdef Py_ssize_t request_piece       # the most bytes of a piece that on_body gets; 0: as they come
    cdef Py_ssize_t response_piece
    cdef Block block
    cdef double cpu_seconds             # budget; 0: none
    cdef double wait_seconds
    cdef bint bypasses                  # beyond its budget it is left out, instead of failing exchanges
    cdef double out_until               # it was beyond its budget, and is out so long
    cdef uint64_t calls
    cdef double logged_at               # the last error
    cdef int64_t unlogged               # errors since

    cdef int beyond(self, Hook hook, double now) except -1
    cdef int failed(self, Hook hook, object error, Context context) except -1


cdef class Chain:
    cdef readonly tuple steps
    cdef readonly Py_ssize_t ways       # exchanges under way


# An exchange on its way through a chain. It is what middlewares see of the exchange, too.
cdef class Way(Passage):
    cdef Exchange exchange              # None: it is over
    cdef Context context
    cdef Chain chain, service_chain     # None: there is none
    cdef tuple steps
    cdef Py_ssize_t entered             # steps whose on_request had its turn
    cdef Py_ssize_t left                # steps whose on_response did not have its turn
    cdef Py_ssize_t number              # of the route
    cdef bint has_address
    cdef uint8_t address[16]
    cdef bint serving                   # the steps of the service are among them
    cdef Py_ssize_t at                  # the step whose hook runs
    cdef Hook hook
    cdef uint64_t bypassed              # steps that were out when the request came, and stay out
    cdef uint64_t ignored               # steps whose on_body is not called
    cdef uint64_t ignored_requests      # not for the request's body
    cdef uint64_t ignored_responses
    cdef bytes own_body                 # None: the response is an endpoint's
    cdef set waits                      # of Waiting
    cdef bint answering                 # on_response has its turn, or had it
    cdef bint sent                      # the response's head is on its way
    cdef Lane requests                  # None: the request's body goes as it comes
    cdef Lane responses
    cdef object reader                  # future of who reads the request's body, or None
    cdef int64_t reading                # most bytes that it reads
    cdef object taker                   # future of who takes that body piece by piece, or None
    cdef bint taken                     # bytes of the body that came went to a hook, and no other body is there yet
    cdef object source                  # gives the body that is sent instead of it, or None
    cdef object spool                   # where the response waits for its client, or None
    cdef list tasks                     # that move bodies; None: none
    cdef object room                    # future of the one that moves the request's
    cdef object new_body                # what on_response wants sent instead, or None

    cdef Exchange living_exchange(self)
    cdef Exchange open_exchange(self)
    cdef object call(self, Py_ssize_t at, Hook hook, object argument)
    cdef int run_requests(self) except -1
    cdef int request_outcome(self, object outcome) except -1
    cdef int refuse(self, object error) except -1
    cdef int go_on(self) except -1
    cdef int exceeded(self, Step step) except -1
    cdef bint changes_length(self, Lane lane) except -1
    cdef int _settle(self, object error) except -1
    cdef int _give(self) except -1
    cdef int stop_reading(self) except -1
    cdef int check_reading(self) except -1
    cdef int begin_feed(self) except -1
    cdef bint has_room(self) noexcept
    cdef int move(self, object coroutine) except -1
    cdef bint leaves_out(self, Py_ssize_t at) noexcept
    cdef int forget_response(self) except -1
    cdef int pace(self, Lane lane) except -1
    cdef int _go(self, Lane lane) except -1
    cdef int _take_new(self, Head head) except -1
    cdef int run_responses(self) except -1
    cdef bint response_outcome(self, object outcome) except -1
    cdef int replace_with_error(self, object error) except -1
    cdef int replace(self, int status, list fields, bytes body, list checked) except -1
    cdef bint bodyless(self, Head head) noexcept
    cdef int send(self) except -1
    cdef int _send_bodyless(self, Head head, Lane lane) except -1
    cdef Lane lane(self, bint of_request)
    cdef Waiting wait(self, Py_ssize_t at, Hook hook, object awaitable, Lane lane)
    cdef int resumed(self, Waiting waiting, object outcome, object error) except -1
    cdef int leave(self) except -1


# Pieces of a body through on_body, one after the other; or held until it is known where they go.
cdef class Lane(Pacer):
    cdef Way way
    cdef bint of_request
    cdef list hooks                     # numbers of the steps
    cdef list queue                     # (bytes, last, position of the hook that is next)
    cdef Py_ssize_t size                # bytes in the queue
    cdef bint held
    cdef bint ended                     # the last piece came
    cdef Head trailers
    cdef object reader                  # future of who reads it all, or None
    cdef int64_t reading
    cdef object spool                   # of a response that is read ahead, or None
    cdef bint pumping                   # what comes goes there, since something is there
    cdef bint full                      # and the endpoint waits for room in it
    cdef bint spooled_last
    cdef object room                    # future of pump(): that the client takes more

    cdef bint wanted(self) noexcept
    cdef int read_ahead(self, object spool) except -1
    cdef int keep(self, bytes piece, bint last) except -1
    cdef int pumped(self, bytes piece, bint last) except -1
    cdef int push(self, bytes piece, bint last) except -1
    cdef int free(self) except -1
    cdef int drain(self) except -1
    cdef bytes cut(self, bytes piece, bint last, Py_ssize_t at)
    cdef int run(self, bytes piece, bint last, Py_ssize_t at) except -1
    cdef int outcome(self, object outcome, object error, bytes piece, bint last, Py_ssize_t at) except -1
    cdef int deliver(self, bytes piece, bint last) except -1
    cdef int _settle(self, object error) except -1
    cdef int _other(self, object outcome, bytes piece, bint last, Py_ssize_t at) except -1
    cdef int broken(self, Py_ssize_t at, object error) except -1
    cdef int pause(self) except -1


# A hook that is awaited.
cdef class Waiting:
    cdef Way way
    cdef Py_ssize_t at
    cdef Hook hook
    cdef object inner                   # the coroutine
    cdef object task
    cdef object timer
    cdef double since
    cdef bint expired
    cdef bint overtaken                 # another response came first
    cdef Lane lane                      # on_body: whose
    cdef bytes piece
    cdef bint last
    cdef Py_ssize_t position            # in the lane

    cdef object step(self, object method, tuple arguments)
    cdef bint is_bound(self, Step step) noexcept
    cdef bint wanted(self) noexcept


cdef int begin_way(Exchange exchange, Chain chain, Py_ssize_t number, const uint8_t* address) except -1
cdef int serve_way(Exchange exchange, Chain chain, const uint8_t* address) except -1
