from libc.stdint cimport int64_t, uint8_t, uint64_t

from headgate.core.attempts cimport Tries
from headgate.core.events cimport Data
from headgate.core.head cimport Head
from headgate.core.hosts cimport HostKey
from headgate.core.splits cimport Share
from headgate.core.stickiness cimport Session
from headgate.core.tls cimport Tls
from headgate.middleware.exchange cimport Exchange as View
from headgate.proxy.context cimport Context
from headgate.core.websocket cimport WebSocketWatch
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.grpc cimport GrpcCall
from headgate.proxy.snapshot cimport (
    Endpoint, Listener, LiveSnapshot, Outcome, Route, RouteFacts, RouteLimits, Service,
)


# One side of an exchange: a connection of HTTP/1, a stream of HTTP/2.
cdef class Leg:
    cdef Exchange exchange              # whose side this is now, or None
    cdef double deadline                # when expire() is called; infinity for never
    cdef bint write_blocked             # the peer takes nothing more now
    cdef bint read_paused
    cdef bint reused                    # upstream: its connection carried an exchange before
    cdef bint refusable                 # upstream: the endpoint may refuse the exchange untouched

    cdef int send_head(self, Head head) except -1
    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1
    cdef int send_trailers(self, Head head) except -1
    cdef int flush(self) except -1
    cdef Py_ssize_t backlog(self) except -1
    cdef int pause(self) except -1
    cdef int resume(self) except -1
    cdef int begin_tunnel(self) except -1
    cdef int end_tunnel(self) except -1
    cdef void watch(self) noexcept
    cdef void close_after(self) noexcept
    cdef bint input_complete(self) noexcept
    cdef int finish(self) except -1
    cdef int skip(self, Head head) except -1
    cdef int abort(self) except -1


# Who takes copies of exchanges.
cdef class Mirroring:
    cdef Image image_of(self, Exchange exchange, const uint8_t* address)


# The copy of one exchange: told what comes, in order, and at last that it ended.
cdef class Image:
    cdef int take(self, const char* data, Py_ssize_t size) except -1
    cdef int complete(self) except -1
    cdef int answer_head(self, Head head) except -1
    cdef int answer_data(self, const char* data, Py_ssize_t size) except -1
    cdef int original_ended(self, bint well) except -1


# What goes wrong with exchanges on purpose.
cdef class Faults:
    cdef bint strike(self, Exchange exchange, const uint8_t* address) except -1


# Holds a response body up.
cdef class Pacer:
    cdef Pacer behind                   # gets what this one lets go; None: the client gets it

    cdef int take(self, Data data) except -1
    cdef int take_trailers(self, Head head) except -1
    cdef bint holds(self) noexcept
    cdef int resume(self) except -1


# The way of an exchange through middlewares.
cdef class Passage(View):
    cdef bint filters                   # the request's body goes through them

    cdef int open_body(self) except -1
    cdef int take_request(self, Data data) except -1
    cdef int take_trailers(self, Head head) except -1
    cdef bint holds(self) noexcept
    cdef bint reads(self, int64_t size) except -1
    cdef int request_complete(self) except -1
    cdef int upstream_takes(self) except -1
    cdef bint reads_ahead(self, bint takes) except -1
    cdef bint answers(self) noexcept
    cdef int answer(self, Head head, bytes own_body) except -1
    cdef bint ended(self) except -1


# Where connections to one endpoint come from.
cdef class Source:
    cdef Leg acquire(self, Exchange exchange)
    cdef int forget(self, Exchange exchange) except -1
    cdef int release(self, Leg leg) except -1
    cdef int opened(self, Leg connection) except -1
    cdef int changed(self, Leg connection) except -1
    cdef int left(self, Leg connection) except -1
    cdef int keep_session(self, Tls tls) except -1


# Says whether and when attempts begin. What is not to begin has been answered, or waits.
cdef class Admission:
    cdef bint admits(self, Exchange exchange) except -1
    cdef Py_ssize_t choose(self, Exchange exchange) except -2
    cdef bint sheds(self, Exchange exchange) except -1


# What an exchange holds of what others may have when it is done.
cdef class Place:
    cdef int leave(self) except -1


cdef class Exchange:
    cdef Context context
    cdef LiveSnapshot snapshot
    cdef Listener listener
    cdef Peer peer
    cdef Leg down
    cdef Leg up
    cdef Head request
    cdef Head response
    cdef const RouteFacts* facts        # of the route; NULL: none was found
    cdef RouteLimits limits
    cdef Route kept                     # the route of what no snapshot has a route for
    cdef Service service
    cdef Share share                    # None: the route has one service
    cdef Pacer pacer                    # None: bodies go on as they come
    cdef Passage passage                # None: there are no middlewares
    cdef Service chosen                 # by a middleware, instead of the route's; None: by nobody
    cdef Image image                    # None: nobody wants a copy
    cdef Session session                # None: the service is not sticky
    cdef Endpoint endpoint
    cdef GrpcCall call                  # None: not gRPC
    cdef WebSocketWatch frames          # None: no WebSocket, or nobody records it
    cdef bytes client
    cdef bytes request_id
    cdef bytes user                     # who the client is, as a middleware found out, or None
    # Progress.
    cdef bint request_read              # the last byte of the request came
    cdef bint request_sent              # and went upstream
    cdef bint response_started          # a final head went downstream
    cdef bint response_complete
    cdef bint waiting                   # for a connection
    cdef bint buffering                 # the request, before the first attempt
    cdef bint tunnel
    cdef bint down_ended
    cdef bint up_ended
    cdef bint closed
    cdef bint muted                     # a copy, of which no record is written
    cdef bint watched                   # its bodies are looked at: the kernel may not move them
    # Attempts.
    cdef bint fresh                     # the attempt takes no connection that was used before
    cdef bint idempotent                # to do it twice is to do it once
    cdef bint replayable                # all that went upstream can be sent once more
    cdef bint refused                   # an endpoint refused it untouched, and it was tried once more
    cdef bint hedge                     # this is but a second attempt of another exchange
    cdef Tries tries                    # None: the route has no policy for attempts
    cdef uint64_t tried
    cdef uint64_t key                   # for the balancer
    cdef int attempts
    cdef Place place                    # None: nothing limits how many run
    cdef int retry_after                # seconds that a refusal says; 0: nothing
    # Request body that waits for a connection, or is kept to be sent once more.
    cdef list held
    cdef int64_t held_bytes
    cdef Head trailers
    # For the record.
    cdef int64_t bytes_in
    cdef int64_t bytes_out
    cdef double started
    cdef double request_read_at
    cdef double attempt_started
    cdef double connected_at
    cdef double response_at
    cdef double deadline
    cdef int status
    cdef int upstream_status
    cdef bytes reason
    cdef bytes ended_by
    cdef bytes detail

    cdef inline Route route(self):
        """More of the route than its facts, which few exchanges need."""
        return <Route>self.facts.route

    # The request came, all of it or its head; `host`: what the routing table said when approached with it.
    cdef int begin(self, Head head, const HostKey* host) except -1
    cdef int dismiss(self, Head head, bytes reason) except -1
    cdef int refuse(self, int status, bytes reason, str detail) except -1
    cdef Py_ssize_t pick(self, uint64_t avoid) noexcept
    cdef int start_attempt(self) except -1
    cdef int connected(self, Leg leg) except -1
    cdef int connect_failed(self, int status, bytes reason) except -1
    cdef int request_data(self, Data data) except -1
    cdef int request_trailers(self, Head head) except -1
    cdef int response_head(self, Head head) except -1
    cdef int response_data(self, Data data) except -1
    cdef int request_moved(self, Py_ssize_t size, bint last) except -1
    cdef int response_moved(self, Py_ssize_t size, bint last) except -1
    cdef int response_trailers(self, Head head) except -1
    cdef int tunnel_data(self, Leg source, Data data) except -1
    cdef int upstream_closed(self, int status, bytes reason) except -1
    cdef int upstream_refused(self, bytes reason) except -1
    cdef int client_gone(self, bytes reason) except -1
    cdef int break_off(self, bytes reason) except -1
    cdef int writable(self, Leg leg, bint yes) except -1
    cdef int read_on(self, Leg leg) except -1
    cdef int fail(self, int status, bytes reason) except -1
    cdef int go_on(self, const uint8_t* address) except -1
    cdef int paced(self, const char* data, Py_ssize_t size, bint last, Head trailers) except -1
    cdef int source_over(self) except -1
    cdef int expire(self) except -1
    cdef int enter(self, Py_ssize_t number, const uint8_t* address) except -1
    cdef int serve(self, const uint8_t* address) except -1
    cdef int answer_with(self, object reply) except -1
    cdef tuple error_reply(self, int status, bytes reason)
    cdef tuple reply_parts(self, object reply)
    cdef Head own_head(self, int status, list fields)
    cdef int send_own(self, Head head, bytes body) except -1
    cdef int begin_own(self, Head head, Py_ssize_t size) except -1
    cdef int send_answer(self, Head head) except -1
    cdef int drop_upstream(self) except -1
    cdef int ask_for_body(self) except -1
    cdef int replace_body(self, bytes data) except -1
    cdef int request_piece(self, const char* data, Py_ssize_t size, bint last) except -1
    cdef int pass_trailers(self, Head head) except -1
    cdef bytes identify(self)

    cdef int _route(self, const HostKey* host) except -1
    cdef bint expects(self) noexcept
    cdef int _to_https(self) except -1
    cdef bint _is_health(self) noexcept
    cdef bint _max_forwards(self) except -1
    cdef bytes _accept(self)
    cdef int _answer_route(self, Py_ssize_t number) except -1
    cdef int _begin_attempts(self) except -1
    cdef int _begin_buffering(self) except -1
    cdef int _leave(self) except -1
    cdef int _send_continue(self) except -1
    cdef void _release_endpoint(self) noexcept
    cdef int _own_answer(self) except -1
    cdef int _choose_share(self, const uint8_t* address) except -1
    cdef int _prepare_request(self, const uint8_t* address) except -1
    cdef bint _affords(self) except -1
    cdef int _try_again(self) except -1
    cdef int _hold(self, const char* data, Py_ssize_t size) except -1
    cdef bint _send_held(self) except -1
    cdef bint _send_on(self, const char* data, Py_ssize_t size, bint last) except -1
    cdef int _not_base64(self) except -1
    cdef int _request_end(self) except -1
    cdef int _unbuffer(self) except -1
    cdef int _observe(self, Outcome outcome, Head head) except -1
    cdef int _count_failure(self, int status, Outcome outcome) except -1
    cdef int _interim(self, Head head) except -1
    cdef int _begin_tunnel(self, Head head) except -1
    cdef bint _takes_trailers(self) noexcept
    cdef int _web_data(self, const char* data, Py_ssize_t size, bint last) except -1
    cdef int _send_web(self, bytes piece, bint last) except -1
    cdef bint _end_call(self, int status, bytes reason) except -1
    cdef int _end_with(self, Head trailers) except -1
    cdef int _take_question(self, Data data) except -1
    cdef int _answer_health(self) except -1
    cdef int _count_length(self, Head head, Py_ssize_t size) except -1
    cdef int _answer_own(self, Head head, bytes body) except -1
    cdef int _response_end(self) except -1
    cdef int _release_up(self, bint clean) except -1
    cdef int _give_up(self, bytes ended_by, bytes reason) except -1
    cdef int _reply(self, int status, list fields, bytes body) except -1
    cdef int _close(self) except -1
    cdef int _count(self, double duration) except -1
    cdef int _record(self, double duration) except -1


cdef Exchange new_exchange(Context context, Listener listener, Leg down, Peer peer)
