"""The HTTP/1 codec on the heads of the keep-alive row."""

from headgate.core.events cimport Data
from headgate.core.head cimport Head, release_head
from headgate.core.http1 cimport READ_HEAD, READ_HELD, WRITE_IDLE, Http1Client, Http1Server

from benchmarks.load import Request

cdef bytes REQUEST = Request().encode()
cdef bytes RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 06:30:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 62\r\nConnection: keep-alive\r\n"
    b"Cache-Control: private, max-age=0, no-store\r\n"
    b"Set-Cookie: sid=1234567890abcdef; Path=/; HttpOnly; Secure; SameSite=Lax\r\n"
    b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
    b"X-Content-Type-Options: nosniff\r\nVary: Accept-Encoding, Cookie\r\n"
    b"ETag: \"abcdef0123456789\"\r\nX-Trace: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"
    b"hello world, this is a small body from the backend 0123456789\n"
)


def case_read_request(Py_ssize_t rounds) -> None:
    """Scan, check and normalise a request head."""
    cdef const char* data = REQUEST
    cdef Py_ssize_t size = len(REQUEST)
    cdef Py_ssize_t i
    cdef Http1Server server = Http1Server()
    cdef Head head
    for i in range(rounds):
        server.reading = READ_HEAD
        head = <Head?>server.feed(data, size)[0]
        release_head(head)
        head = None


def case_write_request(Py_ssize_t rounds) -> None:
    """Send a request head that was read."""
    cdef Py_ssize_t i
    cdef Http1Server server = Http1Server()
    cdef Http1Client client = Http1Client()
    cdef Head head = server.receive(REQUEST)[0]
    for i in range(rounds):
        client.writing, client.reading = WRITE_IDLE, READ_HELD
        client.send_request(head)
        client.out.clear()


def case_exchange(Py_ssize_t rounds) -> None:
    """A request and its response through both codecs, bytes to bytes."""
    cdef const char* request = REQUEST
    cdef const char* response = RESPONSE
    cdef Py_ssize_t request_size = len(REQUEST)
    cdef Py_ssize_t response_size = len(RESPONSE)
    cdef Py_ssize_t i
    cdef Http1Server server = Http1Server()
    cdef Http1Client client = Http1Client()
    cdef list events
    cdef Head head
    cdef Data data
    for i in range(rounds):
        head = <Head?>server.feed(request, request_size)[0]
        client.send_request(head)
        client.out.clear()
        release_head(head)
        events = client.feed(response, response_size)
        head = <Head?>events[0]
        data = <Data?>events[1]
        server.send_response(head)
        server.send_data(data.data, data.size, data.last)
        server.out.clear()
        release_head(head)
        head = None
        server.next_message()
        client.next_message()


CASES = {
    "read a request head": case_read_request,
    "write a request head": case_write_request,
    "an exchange through both codecs": case_exchange,
}
