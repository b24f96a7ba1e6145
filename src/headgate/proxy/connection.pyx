"""A connection: socket, codec and deadline. What both sides of the proxy share.

The event loop says when a socket is ready; bytes are then received into one buffer for the whole
worker and sent straight from where they lie. So a connection that waits holds no buffer, and what a
socket does not take at once stops the other side. Large bodies are not even received: the kernel
moves them from socket to socket through a pipe.

Lifetimes. A C method keeps nothing alive, not even the object that it runs on, and a connection and
its exchange let go of each other when they end. Hence three rules:

- What the event loop, a timer or a task calls holds the exchange in a local variable, and each method
  that may end an exchange is called on such a variable, never on an attribute.
- The register holds a connection until dispose(). finish(), abort(), close(), begin_tunnel() and
  whatever else may come to that are called on a local variable too; the others never do.
- Bytes and heads are borrowed only until the caller's next flush(): a data event points into the
  buffer that the next read of any connection overwrites. What lives longer is copied (held, unsent).
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EAGAIN, EINTR, errno
from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from headgate.core.head cimport Head
from headgate.core.http1 cimport READ_LENGTH, WRITE_LENGTH, Http1
from headgate.core.output cimport Output, Piece
from headgate.core.tls cimport Tls
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Leg


cdef extern from "../proxy/socket.h" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    ssize_t recv(int fd, void* data, size_t size, int flags)
    ssize_t send(int fd, const void* data, size_t size, int flags)
    ssize_t sendmsg(int fd, const msghdr* message, int flags)
    int shutdown(int fd, int how)
    int close_fd "close"(int fd)
    int MSG_NOSIGNAL
    int SHUT_WR
    void hg_reset_on_close(int fd)
    int hg_hung_up(int fd)
    int HG_RESET
    int hg_unacknowledged(int fd)
    ssize_t hg_splice(int source, int target, size_t size)
    bint HG_CAN_SPLICE

cdef enum:
    # A head and 64 KiB of body in one read; bounds what one exchange holds in each direction.
    RECEIVE_BYTES = 65536 + 8192
    # Decrypted bytes of one read: what OpenSSL kept of a record before can come on top.
    PLAIN_BYTES = RECEIVE_BYTES + 16384
    RECORD_BYTES = 16384        # the most that one TLS record carries (RFC 8446 section 5.1)
    MOST_PIECES = 64
    MOVE_FROM = 262144          # smaller rests are received: a pipe costs two more system calls
    MOVE_BYTES = 65536          # in the pipe at most
    MOVES = 32                  # in one turn, so that one fast body does not starve the others

cdef char[RECEIVE_BYTES] _receive_bytes
cdef char[PLAIN_BYTES] _plain_bytes
cdef char[RECORD_BYTES] _record_bytes

# What a connection that is suspect takes before it waits for its turn.
cdef double ALLOWANCE_SECONDS = 0.0004

# A peer that does not take the rest of what was sent before the end is not waited for longer.
cdef double CLOSING_SECONDS = 30.0


cdef class Register:
    """The open connections of a worker; each knows its place, so that leaving costs nothing."""

    def __init__(self, Context context):
        self.context = context
        self.unflushed = []
        self.capacity = 64
        self.entries = <void**>malloc(self.capacity * sizeof(void*))
        if self.entries == NULL:
            raise MemoryError()

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.count):
            Py_DECREF(<object>self.entries[i])
        free(self.entries)

    def __len__(self) -> int:
        return self.count

    cdef int add(self, Connection connection) except -1:
        cdef void** grown
        if self.count == self.capacity:
            grown = <void**>realloc(self.entries, 2 * self.capacity * sizeof(void*))
            if grown == NULL:
                raise MemoryError()
            self.entries = grown
            self.capacity *= 2
        Py_INCREF(connection)
        self.entries[self.count] = <void*>connection
        connection.place = self.count
        self.count += 1
        return 0

    cdef void remove(self, Connection connection) noexcept:
        cdef Py_ssize_t place = connection.place
        if place < 0:
            return
        self.count -= 1
        self.entries[place] = self.entries[self.count]
        (<Connection>self.entries[place]).place = place
        connection.place = -1
        Py_DECREF(connection)

    def sweep(self, double elapsed) -> None:
        """Look at every deadline. `elapsed`: seconds since the last sweep."""
        cdef double now = self.context.tick()
        cdef Py_ssize_t i = self.count - 1
        cdef Connection connection
        cdef Exchange exchange
        while i >= 0:
            if i < self.count:
                connection = <Connection>self.entries[i]
                exchange = connection.exchange
                try:
                    connection.sweep(now, elapsed)
                except Exception:
                    connection.own_error("a deadline could not be handled", exchange)
            i -= 1

    def connections(self) -> list[Connection]:
        return [<Connection>self.entries[i] for i in range(self.count)]

    cdef int flush_soon(self, Connection connection) except -1:
        """Let a connection send when all that the event loop has for now is handled: what many
        exchanges have to say goes out with one system call."""
        if connection.flush_due:
            return 0
        connection.flush_due = True
        self.unflushed.append(connection)
        if len(self.unflushed) == 1:
            self.context.loop.call_soon(self._flush)
        return 0

    def _flush(self) -> None:
        cdef list connections = self.unflushed
        cdef Connection connection
        self.unflushed = []
        for connection in connections:
            connection.flush_due = False
            try:
                connection.flush_now()
            except Exception:
                connection.own_error("what was queued could not be sent", None)


cdef class Connection(Leg):
    """One TCP or unix connection that speaks HTTP/1."""

    def __cinit__(self):
        self.place = -1
        self.fd = -1
        self.deadline = INFINITY

    cdef int open(self, int fd) except -1:
        """Take over a connected socket that does not block."""
        self.fd = fd
        self.register.add(self)
        return self.listen(True)

    cdef int listen(self, bint yes) except -1:
        if yes:
            self.context.loop.add_reader(self.fd, self._on_readable)
        else:
            self.context.loop.remove_reader(self.fd)
        return 0

    # --- What the event loop calls ---

    def _on_readable(self) -> None:
        cdef Exchange exchange = self.exchange
        try:
            if self.suspect:
                self.read_in_turn()
            else:
                self.read_some()
        except Exception:
            self.own_error("received bytes could not be handled", exchange)

    cdef int read_some(self) except -1:
        self.heard = True
        if self.pipe is not None:
            return self.move()
        return self.read_once()

    cdef int read_in_turn(self) except -1:
        """Read if there is time for suspects, else later."""
        if not self.delayed and self.may_go_on(self._on_admitted):
            return self.read_charged()
        return self.delay()

    def _on_admitted(self) -> None:
        cdef Exchange exchange = self.exchange
        try:
            self.undelay()
            if self.fd >= 0 and not self.read_paused:
                self.read_charged()
        except Exception:
            self.own_error("received bytes could not be handled", exchange)

    cdef int delay(self) except -1:
        """Do not look at the socket until undelay()."""
        self.delayed = True
        return self.listen(False)

    cdef int undelay(self) except -1:
        self.delayed = False
        if self.fd >= 0 and not self.read_paused:
            self.listen(True)
        return 0

    cdef int read_charged(self) except -1:
        """Read, at the expense of all suspects."""
        cdef double start = self.context.tick()
        self.read_some()
        self.charge(start)
        return 0

    cdef bint may_go_on(self, object go_on) except -1:
        """Whether this one, which is suspect, may take time now; if not, `go_on` is called when it may. Who
        means well hardly takes more than the allowance before that is known."""
        return self.spent < ALLOWANCE_SECONDS or self.context.suspects.admit(go_on, self.context.tick())

    cdef void charge(self, double start) noexcept:
        """It took the time since `start`."""
        cdef double seconds = self.context.tick() - start
        if self.spent >= ALLOWANCE_SECONDS:
            self.context.suspects.charge(seconds)
        self.spent += seconds

    cdef bint read_once(self) except -1:
        """Receive and handle what is there. Whether more may be."""
        cdef ssize_t size = recv(self.fd, _receive_bytes, self.read_bytes or RECEIVE_BYTES, 0)
        if size > 0:
            if self.tls is None:
                self.received(_receive_bytes, size)
            else:
                self.tls.feed(_receive_bytes, size)
                self._decrypt()
            return not self.closed and not self.read_paused
        if size == 0:
            self._input_ended()
        elif errno not in (EAGAIN, EINTR):
            self.failed()
        return False

    cdef int _decrypt(self) except -1:
        """Hand on what the TLS records say that were fed."""
        cdef Tls tls = self.tls
        cdef Output out = self.context.take_output()
        cdef Py_ssize_t got
        cdef Py_ssize_t filled = 0
        while True:
            got = tls.read(_plain_bytes + filled, PLAIN_BYTES - filled, out)
            if got <= 0:
                break
            filled += got
        self.transmit(out)      # an answer to a key update, or an alert
        if filled and not self.closed:
            self.received(_plain_bytes, filled)
        if got < 0:
            return self.failed()
        if tls.ended and not self.input_over and not self.closed:
            return self._input_ended()
        return 0

    cdef bint cut_short(self) noexcept:
        """Whether the input ended without the peer saying so, which on TLS anybody on the way can
        make (RFC 8446 section 6.1)."""
        return self.tls is not None and not self.tls.ended

    cdef int check(self) except -1:
        """libuv tells of a reset once, and only that the socket is readable: where bytes came with
        it, the reset itself is found here. A send that failed meanwhile took the socket's error away,
        so that it only looks closed."""
        self.heard = False
        if not self.read_paused and hg_hung_up(self.fd):
            while self.read_once():
                pass
        return 0

    def _on_writable(self) -> None:
        cdef Exchange exchange = self.exchange
        try:
            self.drained()
        except Exception:
            self.own_error("a socket that drained could not be handled", exchange)

    cdef int _input_ended(self) except -1:
        """The peer sends no more; the connection stays open until this side decides."""
        self.input_over = True
        if not self.read_paused:
            self.read_paused = True
            self.listen(False)
        self.ended()
        return 0

    cdef int failed(self) except -1:
        """The socket is broken."""
        if self.fd < 0:
            return 0
        hg_reset_on_close(self.fd)
        self.gone()
        return self.dispose()

    def break_off(self) -> None:
        """End it now."""
        self.close_hard()

    cdef int own_error(self, str what, Exchange exchange) except -1:
        """An exception: where this connection, the exchange that it had and the one that it has
        stand is not known any more. End them, and the other side."""
        cdef Exchange newer = self.exchange
        self.context.own_error(what)
        try:
            if exchange is not None:
                exchange.break_off(b"proxy_internal_error")
            if newer is not None:
                newer.break_off(b"proxy_internal_error")
        finally:
            self.close_hard()
        return 0

    # --- What the exchange calls ---

    cdef int open_output(self) except -1:
        if self.codec.out is None:
            self.codec.out = self.context.take_output()
        return 0

    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        if self.closed:
            return 0
        self.open_output()
        return self.codec.send_data(data, size, last)

    cdef int send_trailers(self, Head head) except -1:
        if self.closed:
            return 0
        self.open_output()
        return self.codec.send_trailers(head)

    cdef int flush(self) except -1:
        """Send what is queued; borrowed bytes are not needed afterwards."""
        cdef Output out = self.codec.out
        if out is None:
            return 0
        self.codec.out = None
        return self.deliver(out)

    cdef int deliver(self, Output out) except -1:
        """Send what a codec wrote, or keep what the socket does not take, and give the output back."""
        if self.tls is not None and out.total and not self.closed:
            out = self._encrypt(out)
        return self.transmit(out)

    cdef int transmit(self, Output out) except -1:
        """Send these bytes as they are, and give the output back."""
        cdef Py_ssize_t sent
        if out.total and not self.closed:
            if self.write_blocked:
                self.write(out.rest(0))
            else:
                sent = self._send(out)
                if sent < <Py_ssize_t>out.total:
                    self.write(out.rest(sent))
        self.context.give_output(out)
        return 0

    cdef Output _encrypt(self, Output plain):
        """The output as TLS records, as few as it fills."""
        cdef Output sealed = self.context.take_output()
        cdef Piece* piece
        cdef Py_ssize_t held = 0
        cdef int i
        if plain.piece_count == 0:
            self.tls.write(sealed, plain.buffer, plain.size)
        else:
            for i in range(plain.piece_count):
                piece = &plain.pieces[i]
                held = self._encrypt_run(sealed, held, piece.data if piece.data != NULL
                                         else plain.buffer + piece.start, piece.size)
            held = self._encrypt_run(sealed, held, plain.buffer + plain.tail, plain.size - plain.tail)
            if held:
                self.tls.write(sealed, _record_bytes, held)
        self.context.give_output(plain)
        return sealed

    cdef Py_ssize_t _encrypt_run(self, Output sealed, Py_ssize_t held, const char* data,
                                 Py_ssize_t size) except -1:
        """Fill records with a run of bytes. Returns what waits in the last one, which is not full."""
        cdef Py_ssize_t part
        while size:
            if held == 0 and size >= RECORD_BYTES:
                part = size - size % RECORD_BYTES
                self.tls.write(sealed, data, part)
            else:
                part = min(size, RECORD_BYTES - held)
                memcpy(_record_bytes + held, data, part)
                held += part
                if held == RECORD_BYTES:
                    self.tls.write(sealed, _record_bytes, held)
                    held = 0
            data += part
            size -= part
        return held

    cdef Py_ssize_t _send(self, Output out) except -2:
        """Bytes that the socket took at once."""
        cdef iovec parts[MOST_PIECES]
        cdef msghdr message
        cdef int count = 0
        cdef Piece* piece
        cdef ssize_t sent
        if self.write_dead:
            return out.total
        if out.piece_count == 0:
            sent = send(self.fd, out.buffer, out.size, MSG_NOSIGNAL)
        else:
            while count < out.piece_count and count < MOST_PIECES:
                piece = &out.pieces[count]
                parts[count].iov_base = <void*>(piece.data if piece.data != NULL
                                                else out.buffer + piece.start)
                parts[count].iov_len = piece.size
                count += 1
            if out.size > out.tail and count < MOST_PIECES:
                parts[count].iov_base = out.buffer + out.tail
                parts[count].iov_len = out.size - out.tail
                count += 1
            memset(&message, 0, sizeof(message))
            message.msg_iov = parts
            message.msg_iovlen = count
            sent = sendmsg(self.fd, &message, MSG_NOSIGNAL)
        if sent >= 0:
            return sent
        if errno in (EAGAIN, EINTR):
            return 0
        # What the peer still had to say, and that it is gone, comes from reading.
        self.write_dead = True
        return out.total

    cdef int write(self, bytes data) except -1:
        """Queue bytes that the socket does not take now."""
        if self.unsent is None:
            self.unsent = []
        self.unsent.append(data)
        self.unsent_bytes += PyBytes_GET_SIZE(data)
        return self.blocked()

    cdef int blocked(self) except -1:
        """Wait until the socket takes more; the other side is to stop."""
        cdef Exchange exchange = self.exchange
        if not self.write_blocked:
            self.write_blocked = True
            self.context.loop.add_writer(self.fd, self._on_writable)
            self.await_progress()
        if exchange is not None:
            exchange.writable(self, False)
        return 0

    cdef int await_progress(self) except -1:
        """Set the deadline for bytes to go out."""
        self.progress = False
        self.unacknowledged = hg_unacknowledged(self.fd)
        self.deadline = self.context.now + self.write_seconds()
        return 0

    cdef bint progressed(self) noexcept:
        """Whether bytes went out since. The kernel takes new ones only when a good part of what it
        has is gone, so that with a slow peer it is asked what that is."""
        return self.progress or hg_unacknowledged(self.fd) < self.unacknowledged

    cdef double write_seconds(self) noexcept:
        """How long the peer may take nothing of what is sent."""
        cdef Exchange exchange = self.exchange
        if self.closed or exchange is None:
            return CLOSING_SECONDS
        if exchange.tunnel:
            return INFINITY             # the tunnel's own idle time counts
        if exchange.facts == NULL:
            return CLOSING_SECONDS      # a short answer that no route gave
        return exchange.limits.response_idle_timeout

    cdef int drained(self) except -1:
        """The socket takes bytes again."""
        cdef Connection feeder
        cdef bytes data
        cdef ssize_t sent
        self.context.tick()
        while self.unsent:
            data = self.unsent[0]
            sent = send(self.fd, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), MSG_NOSIGNAL)
            if sent < 0:
                if errno in (EAGAIN, EINTR):
                    return 0
                self.write_dead = True
                self.unsent.clear()
                self.unsent_bytes = 0
                break
            self.progress = True
            self.unsent_bytes -= sent
            if sent < PyBytes_GET_SIZE(data):
                self.unsent[0] = data[sent:]
                return 0
            self.unsent.pop(0)
        self.unsent = None
        feeder = self.feeder
        if feeder is not None and feeder.move_out(self) > 0:
            return 0
        return self.unblocked()

    cdef int unblocked(self) except -1:
        cdef Exchange exchange = self.exchange
        self.write_blocked = False
        self.context.loop.remove_writer(self.fd)
        if self.closed:
            return self.dispose()
        if self.ending:
            shutdown(self.fd, SHUT_WR)
        self.watch()
        if exchange is not None:
            exchange.writable(self, True)
        return 0

    cdef Py_ssize_t backlog(self) except -1:
        if self.feeder is not None:
            return self.unsent_bytes + self.feeder.piped
        return self.unsent_bytes

    cdef Py_ssize_t under_way(self) except -1:
        """Bytes that the peer has not taken, here and in the kernel, which may hold megabytes: only
        with those can be seen that a slow peer goes on reading."""
        return self.backlog() + hg_unacknowledged(self.fd)

    cdef int pause(self) except -1:
        if not self.read_paused and not self.closed:
            self.read_paused = True
            self.listen(False)
            self.watch()
        return 0

    cdef int resume(self) except -1:
        if self.read_paused and not self.closed and not self.input_over:
            self.read_paused = False
            self.listen(True)
            self.watch()
        return 0

    cdef int end_tunnel(self) except -1:
        self.flush()
        return self.half_close()

    # --- Closing ---

    cdef int half_close(self) except -1:
        """End this side's sending, behind what is queued."""
        if self.closed or self.ending:
            return 0
        self._say_end()
        self.ending = True
        if not self.write_blocked:
            shutdown(self.fd, SHUT_WR)
        return 0

    cdef int _say_end(self) except -1:
        """close_notify: without it the peer must take what it got for cut short."""
        cdef Output out
        if self.tls is None or self.ending or self.write_dead:
            return 0
        out = self.context.take_output()
        self.tls.close_notify(out)
        return self.transmit(out)

    cdef int close(self) except -1:
        """Send what is queued, then close."""
        if self.closed:
            return 0
        self.flush()
        self._say_end()
        if not self.write_blocked or self.write_dead:
            return self.dispose()
        self.pause()
        self.closed = True
        return self.await_progress()

    cdef int close_hard(self) except -1:
        """Reset: the peer must not take what it has for everything."""
        if self.fd < 0:
            return 0
        hg_reset_on_close(self.fd)
        return self.dispose()

    cdef int pass_to(self, Connection successor) except -1:
        """Let another connection go on with this socket."""
        cdef int fd = self.fd
        cdef bint paused = self.read_paused
        self.closed = True
        self.fd = -1
        self.register.remove(self)
        successor.fd = fd
        successor.tls = self.tls
        successor.suspect = self.suspect
        self.register.add(successor)
        successor.read_paused = paused
        if not paused:
            successor.listen(True)      # in place of this one's callback
        if self.write_blocked:
            successor.write_blocked = True
            successor.unsent = self.unsent
            successor.unsent_bytes = self.unsent_bytes
            self.context.loop.add_writer(fd, successor._on_writable)
            successor.await_progress()
        self.unsent = None
        self.tls = None
        return 0

    cdef int dispose(self) except -1:
        """Close the socket now."""
        cdef Connection alive = self
        if self.fd < 0:
            return 0
        self.closed = True
        self.deadline = INFINITY
        if not self.read_paused:
            self.listen(False)
        if self.write_blocked:
            self.context.loop.remove_writer(self.fd)
        close_fd(self.fd)
        self.fd = -1
        self.unsent = None
        self.tls = None
        self.feeder = None
        self.exchange = None
        self.drop_pipe()
        self.register.remove(self)
        return self.left()

    # --- Bodies that the kernel moves ---

    cdef int move_to(self, Connection other) except -1:
        """Let the kernel move what is left of this body, when that is much and both sides frame it
        by its length."""
        if (not HG_CAN_SPLICE or self.target is other or self.closed or other.closed
                or self.exchange is None or self.exchange.watched
                or self.tls is not None or other.tls is not None
                or self.codec.reading != READ_LENGTH or self.codec.left < MOVE_FROM
                or other.codec.writing != WRITE_LENGTH or other.codec.write_left != self.codec.left
                or other.write_blocked or other.write_dead or other.codec.out is not None):
            return 0
        self.drop_pipe()
        self.pipe = self.context.take_pipe()
        if self.pipe is not None:
            self.target = other
        return 0

    cdef int move(self) except -1:
        """Move what is there, through the pipe."""
        cdef Exchange exchange = self.exchange
        cdef Connection other = self.target
        cdef ssize_t size
        cdef int turn
        if exchange is None or (exchange.up if exchange.down is self else exchange.down) is not other:
            # Nobody wants this body any more, or somebody else does.
            self.drop_pipe()
            self.read_once()
            return 0
        self.context.tick()
        for turn in range(MOVES):
            size = hg_splice(self.fd, self.pipe[1],
                             self.codec.left if self.codec.left < MOVE_BYTES else MOVE_BYTES)
            if size < 0:
                return 0 if errno in (EAGAIN, EINTR) else self.failed()
            if size == 0:
                self.drop_pipe()
                return self._input_ended()
            self.piped = size
            self.codec.pass_in(size)
            if self.move_out(other) != 0:
                other.feeder = self
                self.pause()
                return other.blocked()
            if self.pipe is None or self.closed:
                return 0
        return 0

    cdef Py_ssize_t move_out(self, Connection other) except -2:
        """Empty the pipe into the other socket. Returns the bytes that are left in it; when none
        are, the other side's feeder is this one no more, and the body may be over."""
        cdef ssize_t size
        cdef bint last
        while self.piped:
            size = -1 if other.write_dead else hg_splice(self.pipe[0], other.fd, self.piped)
            if size < 0:
                if not other.write_dead and errno in (EAGAIN, EINTR):
                    return self.piped
                # Nobody takes them; that the peer is gone comes from reading.
                other.write_dead = True
                size = self.piped
                self.drop_pipe()
            else:
                other.progress = True
                self.piped -= size
            other.codec.pass_out(size)
            last = self.piped == 0 and self.codec.left == 0
            if last:
                other.feeder = None
                self.drop_pipe()
            self.moved(size, last)
            if last:
                return 0
        other.feeder = None
        self.resume()
        return 0

    cdef int drop_pipe(self) except -1:
        """The pipe may still hold bytes of this body: it serves no other."""
        cdef Connection other = self.target
        if other is not None:
            self.target = None
            if other.feeder is self:
                other.feeder = None
        if self.pipe is not None:
            self.context.give_pipe(self.pipe, self.piped == 0)
            self.pipe = None
            self.piped = 0
        return 0

    # --- What each side fills in ---

    cdef int flush_now(self) except -1:
        """Send what waits since flush_soon()."""
        return self.flush()

    cdef int received(self, const char* data, Py_ssize_t size) except -1:
        raise NotImplementedError

    cdef int ended(self) except -1:
        raise NotImplementedError

    cdef int gone(self) except -1:
        """The peer reset the connection: tell the exchange."""
        raise NotImplementedError

    cdef int left(self) except -1:
        """The connection is closed: tell whoever counts it."""
        raise NotImplementedError

    cdef int moved(self, Py_ssize_t size, bint last) except -1:
        """Bytes of this side's body went to the other side."""
        raise NotImplementedError

    cdef int expire(self) except -1:
        """The deadline passed."""
        raise NotImplementedError

    cdef int sweep(self, double now, double elapsed) except -1:
        """Called a few times a second."""
        cdef int state
        if self.heard and not self.closed:
            self.check()
        if self.read_paused and not self.closed:
            state = hg_hung_up(self.fd)
            if state:
                self.hung_up(state == HG_RESET or self.write_dead)
        if self.deadline > now or self.fd < 0:
            return 0
        if self.write_blocked and self.progressed():
            return self.await_progress()
        self.deadline = INFINITY
        return self.close_hard() if self.closed else self.expire()

    cdef int hung_up(self, bint reset) except -1:
        """The peer ended its side or reset the connection, while nothing is read from it. What it
        sent before may be still to be read."""
        return self.failed() if reset and self.input_over else 0
