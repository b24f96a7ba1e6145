"""The listening side of one listener: what all its connections share and count."""

from cpython.bytes cimport PyBytes_GET_SIZE

from headgate.core.cells cimport (
    CONNECTIONS, OPEN, WORKER_ACCEPT_PAUSES, WORKER_CONNECTIONS,
)
from headgate.proxy.connection cimport Register
from headgate.proxy.context cimport Context
from headgate.proxy.snapshot cimport Listener, LiveSnapshot


cdef class Port:
    """The listening side of one listener."""

    def __init__(self, Context context, Register register, Listener listener):
        self.context = context
        self.register = register
        self.listener = listener
        self.clients = {}
        self.acceptors = []

    def renew(self, Listener listener) -> None:
        """Take the listener of a newer snapshot."""
        self.listener = listener
        self.weigh()

    def retire(self, LiveSnapshot last) -> None:
        """The listener is gone from newer snapshots than `last`: what still comes is served by that one, for its
        numbers mean something else in others, and connections end with it."""
        self.retired = last

    cdef int opened(self) except -1:
        """Count a connection that was accepted."""
        self.listener.block.add(CONNECTIONS, 1)
        self.listener.block.add(OPEN, 1)
        self.context.block.add(WORKER_CONNECTIONS, 1)
        self.context.connection_opened()
        self.connections += 1
        return self.weigh()

    cdef int closed(self) except -1:
        """Count it out again. The counters of a listener are the same in each snapshot."""
        self.listener.block.subtract(OPEN, 1)
        self.context.block.subtract(WORKER_CONNECTIONS, 1)
        self.context.connection_closed()
        self.connections -= 1
        return self.weigh()

    cdef bint enter(self, bytes client) except -1:
        """Count a connection of a client, now that its address is known; False when it has too many."""
        cdef int most = self.listener.connections_per_client
        if not PyBytes_GET_SIZE(client):
            return True
        count = self.clients.get(client, 0) + 1
        self.clients[client] = count
        return most == 0 or count <= most

    cdef int leave(self, bytes client) except -1:
        if PyBytes_GET_SIZE(client):
            count = self.clients[client] - 1
            if count:
                self.clients[client] = count
            else:
                del self.clients[client]
        return 0

    cdef int weigh(self) except -1:
        """Stop accepting at the listener's limit, go on when there is room again."""
        cdef Py_ssize_t most = self.listener.connections
        cdef bint full = most > 0 and self.connections >= (most * 0.95 if self.full else most)
        if full == self.full:
            return 0
        self.full = full
        if full:
            self.context.block.add(WORKER_ACCEPT_PAUSES, 1)
        for acceptor in self.acceptors:
            acceptor.watch()
        return 0
