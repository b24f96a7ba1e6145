"""Ten rules for fields, on the head of a browser's request that is put back after each round."""

from libc.stdint cimport uint32_t

from headgate.core.head cimport DROPPED, TOKENS, Head
from headgate.core.http1 cimport Http1Server
from headgate.middleware.exchange cimport Exchange

from headgate.middleware.description import CheckedWorker, instance_of
from headgate.middleware.resolution import class_of

from benchmarks.routes import Mix


cdef class Played(Exchange):
    """An exchange that nobody runs."""

    cdef readonly str client, route, request_id

    def __init__(self, Head head):
        self.client = "203.0.113.7"
        self.route = "app"
        self.request_id = "26dbe6a487e526e0b2892e3b9cbb0439"
        self.open(head, 0)


cdef Head head = <Head?>Http1Server().receive(next(iter(Mix(5).requests(1))).encode())[0]
cdef Played exchange = Played(head)
cdef uint32_t size = head.size
cdef int fields = head.field_count

RULES = {
    "request": {
        "rename": {"User-Agent": "X-Agent"},
        "remove": ["X-Debug", "Accept-Language"],
        "set": {
            "X-Client": "{client}",
            "X-Route": "{route}",
            "X-Request": "{request_id}",
            "X-Path": "at {path}",
            "X-Edge": "headgate",
            "Cache-Control": "no-cache",
        },
        "add": {"X-Tag": "a"},
    }
}
cdef object on_request = instance_of(class_of("headers"), "headers", RULES, CheckedWorker()).on_request


cdef void put_back() noexcept:
    cdef int i
    head.size = size
    head.field_count = fields
    for i in range(fields):
        head.fields[i].flags &= ~DROPPED
    for i in range(<int>TOKENS):
        if head.first[i] >= fields:
            head.first[i] = -1


def case_ten_rules(Py_ssize_t rounds) -> None:
    cdef Py_ssize_t i
    for i in range(rounds):
        on_request(exchange)
        put_back()


CASES = {"ten rules for fields": case_ten_rules}
