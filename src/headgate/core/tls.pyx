"""TLS, sans-IO: records in, plain bytes out, and the other way around.

A connection has no buffers of its own: it reads records where they were received, and writes them into
an Output. OpenSSL keeps only what is not a whole record yet.
"""

import hashlib
import hmac
import ipaddress
import os
import ssl

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.string cimport memcmp, memcpy, memset

from headgate.core.openssl cimport KeyLogCallback, Parameter, context_of, openssl
from headgate.core.output cimport Output

from headgate.core.openssl import REASON


cdef extern from "unistd.h" nogil:
    ssize_t write_fd "write"(int fd, const void* data, size_t size)

cdef enum:
    MOST_KEYS = 4
    SECRET_BYTES = 32
    TICKETS = 2                         # with TLS 1.3, for clients that open two connections at once
    IV_BYTES = 16
    RECORD_BYTES = 16384
    # Of openssl/ssl.h, bio.h and core.h.
    ERROR_SSL = 1
    ERROR_WANT_READ = 2
    ERROR_WANT_WRITE = 3
    ERROR_SYSCALL = 5
    ERROR_ZERO_RETURN = 6
    SENT_SHUTDOWN = 1
    RECEIVED_SHUTDOWN = 2
    CTRL_MODE = 33
    CTRL_SET_SESS_CACHE_MODE = 44
    CTRL_SET_HOST_NAME = 55
    MODE_RELEASE_BUFFERS = 0x10
    MODE_ACCEPT_MOVING_WRITE_BUFFER = 2
    OP_NO_RENEGOTIATION = 1 << 30
    BIO_SOURCE_SINK = 0x0400
    BIO_FLUSH = 11
    BIO_READ_LATER = 0x01 | 0x08        # BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY
    BIO_RETRY_FLAGS = 0x0F
    # A server is known by its alternative names only, never by its common name (RFC 9525 section 6.3).
    HOST_FLAGS = 4 | 0x20               # X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NEVER_CHECK_SUBJECT
    CTRL_SET_TICKET_KEY_CALLBACK = 72
    TICKET_SUCCESS = 5                  # SSL_TICKET_STATUS
    TICKET_SUCCESS_RENEW = 6
    TICKET_IGNORE_RENEW = 2             # SSL_TICKET_RETURN
    TICKET_USE = 3
    TICKET_USE_RENEW = 4
    TLS_1_3 = 0x0304
    PARAM_UTF8 = 4
    PARAM_OCTETS = 5

cdef void* _method = NULL
cdef const char* _digest = b"SHA256"
cdef int _key_log = -1


class TlsFault(Exception):
    """OpenSSL refuses what it is asked to be set up with."""


# --- Where OpenSSL reads and writes -------------------------------------------------------------

cdef int _bio_read(void* bio, char* room, int size) noexcept:
    cdef Tls tls = <Tls><PyObject*>openssl.BIO_get_data(bio)
    openssl.BIO_clear_flags(bio, BIO_RETRY_FLAGS)
    if tls.size == 0:
        openssl.BIO_set_flags(bio, BIO_READ_LATER)
        return -1
    if size > tls.size:
        size = <int>tls.size
    memcpy(room, tls.data, size)
    tls.data += size
    tls.size -= size
    return size


cdef int _bio_write(void* bio, const char* data, int size) noexcept:
    cdef Tls tls = <Tls><PyObject*>openssl.BIO_get_data(bio)
    try:
        tls.out.append(data, size)
    except MemoryError:
        return -1
    return size


cdef long _bio_control(void* bio, int command, long number, void* pointer) noexcept:
    return 1 if command == BIO_FLUSH else 0


cdef int _make_method() except -1:
    global _method
    _method = openssl.BIO_meth_new(BIO_SOURCE_SINK | 100, b"headgate")
    if _method == NULL:
        raise MemoryError()
    openssl.BIO_meth_set_read(_method, _bio_read)
    openssl.BIO_meth_set_write(_method, _bio_write)
    openssl.BIO_meth_set_ctrl(_method, _bio_control)
    return 0


if not REASON:
    _make_method()


# --- Tickets ------------------------------------------------------------------------------------

cdef int _ticket(void* ssl, unsigned char* name, unsigned char* iv, void* cipher, void* mac,
                 int seal) noexcept:
    """Keys for a ticket that is made or read: 1 with, 0 without (a full handshake follows), 2 with,
    and the client gets a new one."""
    cdef TlsContext context = (<Tls><PyObject*>openssl.BIO_get_data(openssl.SSL_get_rbio(ssl))).context
    cdef int number = 0
    cdef TicketKey* key
    if context.key_count == 0:
        return 0
    if seal:
        memcpy(name, context.keys[0].name, 16)
        if openssl.RAND_bytes(iv, IV_BYTES) <= 0:
            return -1
    else:
        while memcmp(name, context.keys[number].name, 16) != 0:
            number += 1
            if number == context.key_count:
                return 0
    key = &context.keys[number]
    if not _set_mac_key(mac, key):
        return -1
    if seal:
        if openssl.EVP_EncryptInit_ex(cipher, openssl.EVP_aes_256_cbc(), NULL, key.cipher_key, iv) <= 0:
            return -1
        return 1
    if openssl.EVP_DecryptInit_ex(cipher, openssl.EVP_aes_256_cbc(), NULL, key.cipher_key, iv) <= 0:
        return -1
    return 2 if number else 1


cdef int _use_ticket(void* ssl, void* session, const unsigned char* name, size_t name_size, int status,
                     void* unused) noexcept:
    """Whether the session in a ticket is resumed. Not for longer than the certificate of the client holds;
    with TLS 1.3 the client gets a new ticket each time (RFC 8446 appendix C.4), or it could come back
    once only."""
    cdef void* certificate
    if status != TICKET_SUCCESS and status != TICKET_SUCCESS_RENEW:
        return TICKET_IGNORE_RENEW
    certificate = openssl.SSL_SESSION_get0_peer(session)
    if certificate != NULL and openssl.X509_cmp_current_time(openssl.X509_get0_notAfter(certificate)) <= 0:
        return TICKET_IGNORE_RENEW
    if status == TICKET_SUCCESS_RENEW or openssl.SSL_SESSION_get_protocol_version(session) >= TLS_1_3:
        return TICKET_USE_RENEW
    return TICKET_USE


cdef bint _set_mac_key(void* mac, TicketKey* key) noexcept:
    cdef Parameter[3] parameters
    if openssl.old:
        return openssl.HMAC_Init_ex(mac, key.mac_key, sizeof(key.mac_key), openssl.EVP_sha256(), NULL) > 0
    parameters[0] = Parameter(b"key", PARAM_OCTETS, <void*>key.mac_key, sizeof(key.mac_key), 0)
    parameters[1] = Parameter(b"digest", PARAM_UTF8, <void*>_digest, 6, 0)
    memset(&parameters[2], 0, sizeof(Parameter))
    return openssl.EVP_MAC_CTX_set_params(mac, parameters) > 0


cdef int _derive(TicketKey* key, bytes secret, bytes policy) except -1:
    """Keys of one policy's tickets; they say nothing of another's."""
    cdef bytes name = hmac.digest(secret, b"name\0" + policy, "sha256")
    cdef bytes cipher_key = hmac.digest(secret, b"cipher\0" + policy, "sha256")
    cdef bytes mac_key = hmac.digest(secret, b"mac\0" + policy, "sha256")
    memcpy(key.name, PyBytes_AS_STRING(name), sizeof(key.name))
    memcpy(key.cipher_key, PyBytes_AS_STRING(cipher_key), sizeof(key.cipher_key))
    memcpy(key.mac_key, PyBytes_AS_STRING(mac_key), sizeof(key.mac_key))
    return 0


# --- Key log ------------------------------------------------------------------------------------

cdef void _log_key(const void* ssl, const char* line) noexcept:
    cdef bytes text
    if _key_log >= 0:
        text = line + b"\n"
        write_fd(_key_log, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


def log_keys(path: str | None) -> None:
    """Append the secrets of connections to a file, for debugging (SSLKEYLOGFILE): those of contexts that
    are made from here on. None ends it. Raises OSError."""
    global _key_log
    cdef int log = -1
    if path is not None:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if _key_log >= 0:
        os.close(_key_log)
    _key_log = log


cdef class TlsContext:
    """What connections of one kind share: an ssl.SSLContext, and the keys of its tickets.

    `policy` says what clients are asked for: tickets are sealed with keys derived from it, so that a
    session that came to be without a certificate is never resumed where one is asked for. `depth`: how
    many certificates may stand between the peer's and an authority's. Raises OpenSslMissing.
    """

    def __cinit__(self, object context, bytes policy not None=b"", int depth=100):
        cdef bytes identity = hashlib.sha256(b"headgate" + policy).digest()
        self.pointer = context_of(context)
        if context.sni_callback is not None or context._msg_callback is not None:
            # `ssl` would look for its own object behind a connection, and find none.
            raise ValueError("a context with callbacks of Python cannot be used")
        self.context = context
        self.policy = policy
        openssl.SSL_CTX_ctrl(self.pointer, CTRL_MODE, MODE_RELEASE_BUFFERS | MODE_ACCEPT_MOVING_WRITE_BUFFER, NULL)
        openssl.SSL_CTX_set_options(self.pointer, OP_NO_RENEGOTIATION)
        # Tickets hold all state: nothing is kept here.
        openssl.SSL_CTX_ctrl(self.pointer, CTRL_SET_SESS_CACHE_MODE, 0, NULL)
        openssl.SSL_CTX_set_session_id_context(
            self.pointer, <const unsigned char*>PyBytes_AS_STRING(identity), 32)
        openssl.SSL_CTX_set_num_tickets(self.pointer, 0)
        openssl.SSL_CTX_set_verify_depth(self.pointer, depth)
        if openssl.old:
            openssl.SSL_CTX_callback_ctrl(self.pointer, CTRL_SET_TICKET_KEY_CALLBACK, _ticket)
        else:
            openssl.SSL_CTX_set_tlsext_ticket_key_evp_cb(self.pointer, _ticket)
        openssl.SSL_CTX_set_session_ticket_cb(self.pointer, NULL, _use_ticket, NULL)
        # Without a log too: what `ssl` sets for keylog_filename is a callback of Python as well.
        openssl.SSL_CTX_set_keylog_callback(self.pointer, NULL if _key_log < 0 else <KeyLogCallback>_log_key)

    def set_ticket_secrets(self, secrets: list[bytes]) -> None:
        """The secrets of tickets, newest first: the first one seals, up to four open. Without any, or where
        the context has none, no session can be resumed. Raises ValueError for one that is not 32 bytes."""
        cdef int number
        cdef bytes secret
        if self.context.options & ssl.OP_NO_TICKET:
            return      # TLS 1.3 would give tickets all the same, of sessions that are kept here
        for secret in secrets:
            if PyBytes_GET_SIZE(secret) != SECRET_BYTES:
                raise ValueError(f"a secret of tickets has {SECRET_BYTES} bytes, not {len(secret)}")
        self.key_count = min(len(secrets), MOST_KEYS)
        for number in range(self.key_count):
            _derive(&self.keys[number], secrets[number], self.policy)
        openssl.SSL_CTX_set_num_tickets(self.pointer, TICKETS if self.key_count else 0)


cdef class TlsSession:
    """A session of a client that may be resumed: with the context that made it, and the server that it
    was made with, because nothing is verified a second time."""

    def __dealloc__(self):
        if self.pointer != NULL:
            openssl.SSL_SESSION_free(self.pointer)


@cython.final
@cython.no_gc       # a connection is not in a cycle with its context
cdef class Tls:
    """TLS of one connection. A client names the server that it wants, whose certificate must say so
    where the context verifies it, and may bring a session to resume."""

    def __cinit__(self, TlsContext context not None, *, bint server=True, str server_name=None,
                  TlsSession session=None):
        cdef void* bio
        self.context = context
        self.server = server
        self.peer_name = server_name
        self.reason = ""
        openssl.ERR_clear_error()
        self.ssl = openssl.SSL_new(context.pointer)
        if self.ssl == NULL:
            raise MemoryError()
        bio = openssl.BIO_new(_method)
        if bio == NULL:
            raise MemoryError()
        openssl.BIO_set_data(bio, <void*><PyObject*>self)
        openssl.BIO_set_init(bio, 1)
        openssl.SSL_set_bio(self.ssl, bio, bio)     # takes the one reference for both
        if server:
            openssl.SSL_set_accept_state(self.ssl)
            return
        openssl.SSL_set_connect_state(self.ssl)
        if server_name:
            self._look_for(server_name)
        if session is not None and session.context is context and session.server_name == server_name:
            openssl.SSL_set_session(self.ssl, session.pointer)

    def __dealloc__(self):
        if self.ssl != NULL:
            # OpenSSL resumes no session of a connection that it thinks was cut.
            openssl.SSL_set_shutdown(self.ssl, SENT_SHUTDOWN | RECEIVED_SHUTDOWN)
            openssl.SSL_free(self.ssl)

    cdef int _look_for(self, str server_name) except -1:
        """Who the server has to be. An address is not sent (RFC 6066 section 3), but looked for."""
        cdef void* parameters = openssl.SSL_get0_param(self.ssl)
        cdef bytes name
        try:
            name = server_name.encode("ascii" if server_name.isascii() else "idna")
        except UnicodeError:
            raise TlsFault(f"{server_name!r} is no name of a server") from None
        if _is_address(server_name):
            if openssl.X509_VERIFY_PARAM_set1_ip_asc(parameters, name) != 1:
                raise TlsFault(f"{server_name!r} is no address of a server")
            return 0
        openssl.X509_VERIFY_PARAM_set_hostflags(parameters, HOST_FLAGS)
        if (b"\0" in name
                or openssl.SSL_ctrl(self.ssl, CTRL_SET_HOST_NAME, 0, PyBytes_AS_STRING(name)) != 1
                or openssl.X509_VERIFY_PARAM_set1_host(parameters, name, PyBytes_GET_SIZE(name)) != 1):
            openssl.ERR_clear_error()
            raise TlsFault(f"{server_name!r} is no name of a server")
        return 0

    # --- Bytes ---

    cdef void feed(self, const char* data, Py_ssize_t size) noexcept:
        """Records that came; borrowed until handshake() or read() have nothing more to say."""
        self.data = data
        self.size = size

    cdef int handshake(self, Output out) except -2:
        """1: the handshake is over; 0: more must come; -1: it failed, `reason` says why."""
        cdef int outcome
        if self.failed:
            return -1
        self.out = out
        openssl.ERR_clear_error()
        outcome = openssl.SSL_do_handshake(self.ssl)
        if outcome == 1:
            self.established = True
        else:
            outcome = self._fail(outcome)
        self.out = None
        return outcome

    cdef Py_ssize_t read(self, char* room, Py_ssize_t size, Output out) except -2:
        """Plain bytes; 0 when there are none now, and -1 when the connection is broken. What answers
        records, as an alert, goes into `out`."""
        cdef int got
        if self.failed:
            return -1
        if self.ended:
            self.size = 0           # RFC 8446 section 6.1: what follows close_notify is ignored
            return 0
        self.out = out
        openssl.ERR_clear_error()
        got = openssl.SSL_read(self.ssl, room, <int>min(size, <Py_ssize_t>0x7FFFFFFF))
        if got <= 0:
            got = self._fail(got)
        self.out = None
        return got

    cdef int write(self, Output out, const char* data, Py_ssize_t size) except -1:
        """Seal plain bytes into records, behind what is in `out`."""
        cdef int part
        if self.failed or not self.established:
            return 0
        self.out = out
        try:
            while size:
                part = <int>min(size, <Py_ssize_t>0x40000000)
                openssl.ERR_clear_error()
                part = openssl.SSL_write(self.ssl, data, part)
                if part <= 0:
                    self._fail(part)
                    return 0
                data += part
                size -= part
        finally:
            self.out = None
        return 0

    cdef int close_notify(self, Output out) except -1:
        """Nothing more will be written."""
        if self.failed or not self.established:
            return 0
        self.out = out
        openssl.ERR_clear_error()
        openssl.SSL_shutdown(self.ssl)
        openssl.ERR_clear_error()
        self.out = None
        return 0

    cdef int _fail(self, int outcome) except -2:
        """What a call says that did nothing: 0 to go on later or never, -1 for a fault."""
        cdef int error = openssl.SSL_get_error(self.ssl, outcome)
        cdef unsigned long code
        cdef const char* text = NULL
        if error == ERROR_WANT_READ or error == ERROR_WANT_WRITE:
            return 0
        if error == ERROR_ZERO_RETURN:
            self.ended = True
            return 0
        code = openssl.ERR_peek_last_error()
        if code:
            text = openssl.ERR_reason_error_string(code)
        openssl.ERR_clear_error()
        self.reason = text.decode() if text != NULL else "the connection broke"
        if self.reason == "certificate verify failed":
            self.reason += f": {self.verify_error}"
        self.failed = True
        return -1

    # --- What was agreed on ---

    @property
    def alpn(self) -> bytes | None:
        """The protocol that was agreed on (RFC 7301)."""
        cdef const unsigned char* name = NULL
        cdef unsigned int size = 0
        openssl.SSL_get0_alpn_selected(self.ssl, &name, &size)
        return PyBytes_FromStringAndSize(<const char*>name, size) if size else None

    @property
    def version(self) -> str | None:
        """As "TLSv1.3"; None before the handshake is over."""
        return openssl.SSL_get_version(self.ssl).decode() if self.established else None

    @property
    def cipher(self) -> str | None:
        cdef const void* cipher = openssl.SSL_get_current_cipher(self.ssl)
        return openssl.SSL_CIPHER_get_name(cipher).decode() if cipher != NULL else None

    @property
    def resumed(self) -> bool:
        return openssl.SSL_session_reused(self.ssl) == 1

    @property
    def peer_chain(self) -> list[bytes]:
        """The peer's certificates as DER, its own first; [] without. A resumed session has its own only."""
        return self._certificates()

    cdef list _certificates(self):
        cdef void* own = openssl.SSL_get1_peer_certificate(self.ssl)
        cdef void* chain = openssl.SSL_get_peer_cert_chain(self.ssl)
        cdef int number
        if own == NULL:
            return []
        try:
            found = [_der(own)]
        finally:
            openssl.X509_free(own)
        if chain != NULL:
            for number in range(openssl.OPENSSL_sk_num(chain)):
                certificate = _der(openssl.OPENSSL_sk_value(chain, number))
                if certificate not in found:
                    found.append(certificate)
        return found

    @property
    def verify_error(self) -> str:
        """Why the peer's certificate was not taken; "" when it was, or none was asked for."""
        cdef long result = openssl.SSL_get_verify_result(self.ssl)
        return openssl.X509_verify_cert_error_string(result).decode() if result else ""

    @property
    def session(self) -> TlsSession | None:
        """For resuming; None when the server gave nothing for it: with TLS 1.3 its tickets come behind
        the handshake."""
        cdef TlsSession session = TlsSession.__new__(TlsSession)
        session.pointer = openssl.SSL_get1_session(self.ssl)
        if session.pointer == NULL or not openssl.SSL_SESSION_is_resumable(session.pointer):
            return None
        session.context = self.context
        session.server_name = self.peer_name
        return session

    # --- The face for Python: tests and what is not hot ---

    def shake(self, bytes data not None, Output out not None) -> bool:
        """Take the handshake further with records that came; whether it is over. Raises TlsFault."""
        cdef int outcome
        self.fed = data
        self.feed(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        outcome = self.handshake(out)
        if outcome < 0:
            raise TlsFault(self.reason)
        return outcome == 1

    def receive(self, bytes data not None, Output out not None) -> bytes:
        """The plain bytes of records. Raises TlsFault. Behind shake(), b"" gives what came with its end."""
        cdef Py_ssize_t got
        cdef bytearray plain = bytearray()
        cdef bytes room = PyBytes_FromStringAndSize(NULL, RECORD_BYTES)
        if data:
            self.feed(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        while True:
            got = self.read(PyBytes_AS_STRING(room), RECORD_BYTES, out)
            if got < 0:
                raise TlsFault(self.reason)
            if got == 0:
                self.fed = None
                return bytes(plain)
            plain += room[:got]

    def send(self, bytes data not None, Output out not None) -> None:
        self.write(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    def end(self, Output out not None) -> None:
        self.close_notify(out)


cdef bytes _der(void* certificate):
    cdef int size = openssl.i2d_X509(certificate, NULL)
    cdef bytes der
    cdef unsigned char* out
    if size <= 0:
        raise TlsFault("a certificate cannot be encoded")
    der = PyBytes_FromStringAndSize(NULL, size)
    out = <unsigned char*>PyBytes_AS_STRING(der)
    openssl.i2d_X509(certificate, &out)
    return der


cdef bint _is_address(str text) except -1:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
