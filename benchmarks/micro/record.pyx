"""Counting an exchange and writing its access record."""

from libc.string cimport memset

from headgate.core.cells cimport Block
from headgate.core.cells import bytes_of
from headgate.core.head cimport Span
from headgate.core.output cimport Output
from headgate.core.record cimport Record, RecordFormat

from headgate.core.record import record_format

from benchmarks.load import BROWSER


cdef void set_text(Span* span, bytes text) noexcept:
    span.data = text
    span.size = len(text)


# The texts of the record below; spans borrow them.
cdef bytes ADDRESS = b"192.0.2.17"
cdef bytes HOST = b"www.example.com"
cdef bytes METHOD = b"GET"
cdef bytes TARGET = b"/some/page?with=query&and=more"
cdef bytes PATH = b"/some/page"
cdef bytes AGENT = BROWSER["User-Agent"].encode()
cdef bytes REFERER = BROWSER["Referer"].encode()
cdef bytes REQUEST_ID = BROWSER["X-Request-Id"].encode()
cdef bytes NAME = b"backend"
cdef bytes ENDPOINT = b"127.0.0.1:9001"
cdef bytes CLIENT = b"client"


cdef Record make_record() noexcept:
    cdef Record record
    memset(&record, 0, sizeof(Record))
    record.started = 1795242600.125
    set_text(&record.client, ADDRESS)
    set_text(&record.peer, ADDRESS)
    record.peer_port = 40000
    set_text(&record.listener, NAME)
    set_text(&record.method, METHOD)
    set_text(&record.target, TARGET)
    set_text(&record.host, HOST)
    set_text(&record.path, PATH)
    record.version = 11
    set_text(&record.user_agent, AGENT)
    set_text(&record.referer, REFERER)
    set_text(&record.request_id, REQUEST_ID)
    set_text(&record.route, NAME)
    set_text(&record.service, NAME)
    set_text(&record.endpoint, ENDPOINT)
    set_text(&record.ended_by, CLIENT)
    record.status = 200
    record.upstream_status = 200
    record.attempts = 1
    record.bytes_out = 62
    record.head_bytes_in = 820
    record.head_bytes_out = 480
    record.duration = 0.001534
    record.wait_seconds = 0.000012
    record.connect_seconds = -1.0
    record.first_byte_seconds = 0.0014
    record.request_seconds = 0.0
    return record


cdef void write_records(RecordFormat format, Py_ssize_t rounds) except *:
    cdef Py_ssize_t i
    cdef Record record = make_record()
    cdef Output output = Output()
    for i in range(rounds):
        format.write(&record, output)
        output.clear()


def case_json(Py_ssize_t rounds) -> None:
    write_records(record_format("json"), rounds)


def case_combined(Py_ssize_t rounds) -> None:
    write_records(record_format("combined"), rounds)


def case_count(Py_ssize_t rounds) -> None:
    """What one block counts when an exchange ends."""
    cdef Py_ssize_t i
    memory = bytearray(bytes_of(1))
    cdef Block block = Block(memoryview(memory), 0)
    for i in range(rounds):
        block.finish(200, 1000 + (i & 1023), 0, 62)


CASES = {
    "write a record as JSON": case_json,
    "write a record as combined": case_combined,
    "count an exchange in one block": case_count,
}
