"""Accepting: from the queue of a listening socket to a connection that speaks."""

from libc.errno cimport EMFILE, ENFILE, ENOBUFS, ENOMEM, errno

from headgate.core.cells cimport WORKER_ACCEPT_PAUSES
from headgate.proxy.context cimport Context
from headgate.proxy.downstream cimport Http1Downstream, new_downstream
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.greeting cimport Greeting, new_greeting
from headgate.proxy.port cimport Port


cdef extern from "../proxy/socket.h" nogil:
    struct sockaddr_storage:
        pass
    ctypedef unsigned int socklen_t
    int IPPROTO_TCP
    int TCP_NODELAY
    int SOL_SOCKET
    int SO_KEEPALIVE
    int hg_accept(int fd, sockaddr_storage* address, socklen_t* size)
    void hg_option(int fd, int level, int name, int value)
    int close_fd "close"(int fd)

cdef enum:
    ACCEPTS = 64                # connections from one queue before other sockets have their turn

cdef double REST_SECONDS = 0.2


cdef class Acceptor:
    """Accepts on one listening socket from now until close(). Owns the descriptor."""

    def __init__(self, Port port, int fd):
        options = port.listener.spec.socket
        self.port = port
        self.fd = fd
        # Accepted sockets inherit these.
        hg_option(fd, IPPROTO_TCP, TCP_NODELAY, options.nodelay)
        hg_option(fd, SOL_SOCKET, SO_KEEPALIVE, options.keepalive)
        port.acceptors.append(self)
        self.watch()

    def watch(self) -> None:
        """Accept, or do not: as the listener's limit says."""
        if self.stopped:
            return
        if self.port.full:
            self.port.context.loop.remove_reader(self.fd)
        else:
            self.port.context.loop.add_reader(self.fd, self._on_readable)

    def _on_readable(self) -> None:
        cdef sockaddr_storage address
        cdef socklen_t size
        cdef Peer peer
        cdef int fd
        cdef int turn
        for turn in range(ACCEPTS):
            if self.stopped or self.port.full:
                return
            size = sizeof(address)
            fd = hg_accept(self.fd, &address, &size)
            if fd < 0:
                if errno in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
                    self._rest()
                return
            peer = Peer.__new__(Peer)
            peer.read(&address)
            self.begin(fd, peer)

    cdef int begin(self, int fd, Peer peer) except -1:
        """Let the connection speak as the listener says."""
        cdef Http1Downstream connection
        cdef Greeting greeting
        if self.port.listener.greets:
            greeting = new_greeting(self.port, peer)
            try:
                return greeting.accept(fd)
            except Exception:
                return greeting.own_error("a connection could not be accepted", None)
        connection = new_downstream(self.port, peer)
        try:
            return connection.accept(fd)
        except Exception:
            return connection.own_error("a connection could not be accepted", None)

    def _rest(self) -> None:
        """No descriptor is free: look again when some may have been given back, do not spin."""
        cdef Context context = self.port.context
        context.block.add(WORKER_ACCEPT_PAUSES, 1)
        context.log.warning("no more files can be opened: accepting on %s rests for %g s",
                            self.port.listener.name.decode(), REST_SECONDS)
        context.loop.remove_reader(self.fd)
        context.loop.call_later(REST_SECONDS, self.watch)

    def close(self) -> None:
        """Accept no more. What waits in the queue stays there as long as another holds the socket."""
        if not self.stopped:
            self.stopped = True
            self.port.acceptors.remove(self)
            self.port.context.loop.remove_reader(self.fd)
            close_fd(self.fd)
