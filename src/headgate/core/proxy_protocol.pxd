from libc.stdint cimport uint8_t, uint32_t


cpdef enum Outcome:
    INCOMPLETE = 0
    COMPLETE = 1
    ABSENT = 2          # the connection begins with something else
    BROKEN = 3


cpdef enum Limit:
    V1_LIMIT = 107      # the longest line that the protocol allows, with its CRLF
    V2_LIMIT = 4112     # 16 bytes in front and at most 4096 behind


# How a TLS connection to the proxy before us was made (PP2_TYPE_SSL).
cpdef enum ClientBit:
    CLIENT_TLS = 1
    CLIENT_CERTIFICATE = 2              # presented on this connection
    CLIENT_CERTIFICATE_SESSION = 4      # presented at least once in this TLS session


# One end of the connection that the header tells about.
cdef class Side:
    cdef uint8_t address[16]            # IPv4 mapped into IPv6
    cdef readonly bint has_address
    cdef readonly bytes text            # the address; b"" where there is none
    cdef readonly int port
    cdef readonly bytes path            # of a unix socket

    cdef int read_ip(self, const uint8_t* ip, int size, int port) except -1


# What the header says of TLS at the proxy before us. Names and values are as that proxy wrote them.
cdef class TlsFacts:
    cdef readonly int client            # bits of ClientBit
    cdef readonly uint32_t verify       # 0: a client certificate was presented and verified
    cdef readonly bytes version, common_name, cipher, signature, key


cdef class ProxyHeader:
    cdef readonly int outcome
    cdef readonly Py_ssize_t size       # bytes of the header, once it is complete
    cdef readonly str reason            # why it is broken
    cdef readonly int version
    cdef readonly bint keep             # LOCAL, UNKNOWN: the connection's own addresses count
    cdef readonly Side source, destination
    cdef readonly bytes alpn, authority, unique_id
    cdef readonly bint checked          # it had a checksum
    cdef readonly TlsFacts tls

    cdef int read(self, const char* data, Py_ssize_t size) except -1
    cdef int _break(self, str reason) except -1
    cdef int _read_v1(self, const char* data, Py_ssize_t size) except -1
    cdef int _read_line(self, const char* line, Py_ssize_t size) except -1
    cdef int _read_v2(self, const uint8_t* data, Py_ssize_t size) except -1
    cdef Py_ssize_t _read_addresses(self, int family, const uint8_t* block, Py_ssize_t size) except -1
    cdef int _read_facts(self, const uint8_t* header, Py_ssize_t at, Py_ssize_t end) except -1
    cdef int _read_fact(self, const uint8_t* header, Py_ssize_t header_size, int kind,
                        const uint8_t* value, Py_ssize_t size) except -1
    cdef int _read_tls(self, const uint8_t* value, Py_ssize_t size) except -1


cpdef bytes write_v1(bytes source, int source_port, bytes destination, int destination_port)
