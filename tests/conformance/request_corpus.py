"""Requests that ask for trouble: what the client must be told, and what the backend may see.

Three outcomes. `refused`: answered with one of the statuses, closed, and not a byte went upstream.
`cut`: the head was fine, the body is not; the backend may have seen a beginning, never a complete
request. `taken`: forwarded as exactly these requests. `either` is for what a specification leaves
to the recipient and no two parsers read differently once it is forwarded: refused or taken.

Behind each of them the runner sends `GET /smuggled`; it may be answered only where all before it
was taken.
"""

from __future__ import annotations

from dataclasses import dataclass

CHUNKED_END = b"0\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """One row of the corpus. `taken` has (target, body) of each request that may go upstream."""

    name: str
    data: bytes
    statuses: tuple[int, ...] = ()
    taken: tuple[tuple[str, bytes], ...] = ()
    begun: bool = False  # the backend may have seen an incomplete request

    def __str__(self) -> str:
        return self.name


CASES: list[Case] = []


def refused(name: str, data: bytes, *statuses: int) -> None:
    CASES.append(Case(name, data, statuses or (400,)))


def cut(name: str, data: bytes, *statuses: int) -> None:
    CASES.append(Case(name, data, statuses or (400,), begun=True))


def taken(name: str, data: bytes, *requests: tuple[str, bytes]) -> None:
    CASES.append(Case(name, data, taken=requests or (("/", b""),)))


def either(name: str, data: bytes, *requests: tuple[str, bytes], statuses: tuple[int, ...] = (400,)) -> None:
    """Of a chunked body a beginning may have gone upstream before the rest is refused."""
    CASES.append(Case(name, data, statuses, requests or (("/", b""),), begun=b"chunked" in data))


def message(start: bytes, *lines: bytes, body: bytes = b"", host: bytes | None = b"Host: a") -> bytes:
    """A request with CRLF where it belongs; everything else is as given."""
    head = [start, *([host] if host is not None else []), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def get(*lines: bytes, target: bytes = b"/") -> bytes:
    return message(b"GET " + target + b" HTTP/1.1", *lines)


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return message(b"POST / HTTP/1.1", *lines, body=body)


def chunked(body: bytes, *lines: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", *lines, body=body)


def printable(data: bytes) -> str:
    return data.decode("latin-1").encode("unicode_escape").decode()


INNER = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"
INNER_LENGTH = b"Content-Length: %d" % len(INNER)
INNER_CHUNKED = b"%x\r\n%b\r\n%b" % (len(INNER), INNER, CHUNKED_END)

# Both framings (RFC 9112 6.1, 6.3: an attempt at smuggling; refused, not repaired)

refused("CL.TE", post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nG"))
refused(
    "TE.CL",
    post(
        b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"12\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n"
    ),
)
refused("CL.TE that agree", post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKED_END))
refused("CL 0 and TE", post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=CHUNKED_END + INNER))
refused(
    "CL twice around TE",
    post(b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Content-Length: 5", body=CHUNKED_END),
)
refused(
    "CL and TE identity", post(b"Content-Length: 5", b"Transfer-Encoding: identity", body=b"hello"), 400, 501
)
refused("CL malformed and TE", post(b"Content-Length: x", b"Transfer-Encoding: chunked", body=CHUNKED_END))
refused("GET with both", get(b"Content-Length: 5", b"Transfer-Encoding: chunked") + CHUNKED_END)
refused(
    "CL and TE in other case", post(b"content-length: 5", b"TRANSFER-ENCODING: chunked", body=CHUNKED_END)
)

# Transfer-Encoding obfuscated (TE.TE). Each also with a Content-Length, for a front end that reads only one.

_CODINGS = {
    "xchunked": b"xchunked",
    "chunkedx": b"chunkedx",
    "x chunked": b"x chunked",
    "chunked x": b"chunked x",
    "cow": b"cow",
    "identity": b"identity",
    "empty": b"",
    "only a comma": b",",
    "chunked, identity": b"chunked, identity",
    "identity, chunked": b"identity, chunked",
    "chunked, chunked": b"chunked, chunked",
    "chunked, cow": b"chunked, cow",
    "gzip": b"gzip",
    "chunked, gzip": b"chunked, gzip",
    "chunked; q=1": b"chunked; q=1",
    "chunked;": b"chunked;",
    "trailing comma": b"chunked,",
    "leading comma": b", chunked",
    "double quotes": b'"chunked"',
    "single quotes": b"'chunked'",
    "vertical tab before": b"\x0bchunked",
    "vertical tab after": b"chunked\x0b",
    "form feed before": b"\x0cchunked",
    "form feed after": b"chunked\x0c",
    "NUL before": b"\0chunked",
    "NUL after": b"chunked\0",
    "NUL inside": b"chun\0ked",
    "backspace": b"\x08chunked",
    "DEL": b"chunked\x7f",
    "non-breaking space": b"\xa0chunked",
    "high byte": b"chunked\xff",
    "next line U+0085": b"\x85chunked",
    "UTF-8 BOM": b"\xef\xbb\xbfchunked",
    "kelvin sign": "chun\u212aed".encode(),
    "bare CR before": b"\rchunked",
    "bare CR after": b"chunked\r",
    "bare LF before": b"\nchunked",
    "bare LF fold": b"\n chunked",
    "folded": b"\r\n chunked",
    "folded by a tab": b"\r\n\tchunked",
    "folded after": b"chunked\r\n , identity",
    "chunked in a comment": b"(chunked)",
    "backslash": b"\\chunked",
    "colon": b": chunked",
}
for _name, _value in _CODINGS.items():
    _line = b"Transfer-Encoding: " + _value
    refused(f"TE {_name}", post(_line, body=CHUNKED_END), 400, 501)
    refused(f"TE {_name} with CL", post(b"Content-Length: 5", _line, body=CHUNKED_END), 400, 501)

# "gzip, chunked" ends in one chunked: a gateway that does not know gzip as a transfer coding says 501
# (RFC 9112 6.1); passing it on would pass a hop-by-hop coding to the next hop.
refused("TE gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", body=CHUNKED_END), 400, 501)
refused("TE two lines", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=CHUNKED_END))
refused(
    "TE two lines, cow last",
    post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: cow", body=CHUNKED_END),
    400,
    501,
)
refused(
    "TE two lines, cow first",
    post(b"Transfer-Encoding: cow", b"Transfer-Encoding: chunked", body=CHUNKED_END),
    400,
    501,
)
refused(
    "TE two lines, identity first",
    post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=CHUNKED_END),
    400,
    501,
)
refused(
    "TE two lines, empty first",
    post(b"Transfer-Encoding:", b"Transfer-Encoding: chunked", body=CHUNKED_END),
    400,
    501,
)
refused(
    "TE two lines, other case",
    post(b"Transfer-Encoding: chunked", b"transfer-encoding: identity", body=CHUNKED_END),
    400,
    501,
)

_NAMES = {
    "space before the colon": b"Transfer-Encoding : chunked",
    "tab before the colon": b"Transfer-Encoding\t: chunked",
    "vertical tab before the colon": b"Transfer-Encoding\x0b: chunked",
    "NUL before the colon": b"Transfer-Encoding\0: chunked",
    "CR before the colon": b"Transfer-Encoding\r: chunked",
    "fold before the colon": b"Transfer-Encoding\r\n : chunked",
    "leading space": b" Transfer-Encoding: chunked",
    "leading tab": b"\tTransfer-Encoding: chunked",
    "leading CR": b"\rTransfer-Encoding: chunked",
    "leading NUL": b"\0Transfer-Encoding: chunked",
    "no colon": b"Transfer-Encoding chunked",
    "equals": b"Transfer-Encoding= chunked",
    "space inside": b"Transfer Encoding: chunked",
    "NUL inside": b"Transfer\0-Encoding: chunked",
    "high byte inside": b"Transfer\xad-Encoding: chunked",
    "quotes": b'"Transfer-Encoding": chunked',
    "behind a bare LF": b"X-A: b\nTransfer-Encoding: chunked",
    "behind a bare CR": b"X-A: b\rTransfer-Encoding: chunked",
    "behind LF CR": b"X-A: b\n\rTransfer-Encoding: chunked",
    "behind CR CR LF": b"X-A: b\r\r\nTransfer-Encoding: chunked",
}
for _name, _line in _NAMES.items():
    refused(f"TE name, {_name}", post(_line, body=CHUNKED_END))
    refused(f"TE name, {_name}, with CL", post(b"Content-Length: 5", _line, body=CHUNKED_END))

# A CGI or WSGI server makes one variable of both spellings, so the underscore is another parser's hyphen.
refused(
    "TE name, underscore, with CL",
    post(b"Content-Length: 5", b"Transfer_Encoding: chunked", body=CHUNKED_END),
)
refused("CL name, underscore, with TE", chunked(CHUNKED_END, b"Content_Length: 5"))

taken("TE chunked", chunked(b"5\r\nhello\r\n0\r\n\r\n"), ("/", b"hello"))
taken(
    "TE in other case", post(b"transfer-ENCODING:CHUNKED", body=b"5\r\nhello\r\n0\r\n\r\n"), ("/", b"hello")
)
taken("TE with spaces around", post(b"Transfer-Encoding: \t chunked \t ", body=CHUNKED_END))
refused("TE in HTTP/1.0", message(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked", body=CHUNKED_END))
refused(
    "TE in HTTP/1.0 kept alive",
    message(b"POST / HTTP/1.0", b"Connection: keep-alive", b"Transfer-Encoding: chunked", body=CHUNKED_END),
)
refused(
    "TE and CL in HTTP/1.0",
    message(b"POST / HTTP/1.0", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKED_END),
)

# Content-Length. RFC 9112 6.3 lets a recipient merge equal duplicates; whoever sends them is broken or lying.

_LENGTHS = {
    "empty": b"",
    "plus": b"+5",
    "minus": b"-5",
    "minus zero": b"-0",
    "list": b"5,5",
    "list with space": b"5, 5",
    "unequal list": b"5, 6",
    "trailing comma": b"5,",
    "leading comma": b",5",
    "hexadecimal": b"0x5",
    "hexadecimal without prefix": b"a",
    "float": b"5.0",
    "exponent": b"5e0",
    "underscore": b"5_0",
    "octal prefix": b"0o5",
    "space inside": b"5 5",
    "NUL after": b"5\0",
    "vertical tab before": b"\x0b5",
    "form feed after": b"5\x0c",
    "bare CR after": b"5\r",
    "bare LF after": b"5\n",
    "folded": b"\r\n 5",
    "quotes": b'"5"',
    "semicolon": b"5;",
    "letters behind": b"5abc",
    "arabic digit": "\u0665".encode(),
    "superscript": b"\xb2",
    "word": b"five",
}
for _name, _value in _LENGTHS.items():
    refused(f"CL {_name}", post(b"Content-Length: " + _value, body=b"hello"))
    refused(f"CL {_name} on GET", get(b"Content-Length: " + _value) + b"hello")

refused("CL twice, equal", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"))
refused("CL twice, unequal", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"))
refused("CL twice, zero first", post(b"Content-Length: 0", INNER_LENGTH, body=INNER))
refused("CL twice, zero last", post(INNER_LENGTH, b"Content-Length: 0", body=INNER))
refused("CL twice, other case", post(b"Content-Length: 5", b"content-length: 6", body=b"hello!"))
refused("CL twice, equal in value", post(b"Content-Length: 5", b"Content-Length: 05", body=b"hello"))
refused("CL over 64 bits", post(b"Content-Length: 18446744073709551621", body=b"hello"), 400, 413)
refused("CL of 64 bits", post(b"Content-Length: 18446744073709551615", body=b"hello"), 400, 413)
refused("CL over 63 bits", post(b"Content-Length: 9223372036854775808", body=b"hello"), 400, 413)
refused("CL over 32 bits by far", post(b"Content-Length: 4294967301000000000000", body=b"hello"), 400, 413)
refused("CL of 400 digits", post(b"Content-Length: " + b"9" * 400, body=b"hello"), 400, 413)
refused("CL of 4000 zeros", post(b"Content-Length: " + b"0" * 4000 + b"5", body=b"hello"), 400, 413)
refused("CL space before the colon", post(b"Content-Length : 5", body=b"hello"))
refused("CL tab before the colon", post(b"Content-Length\t: 5", body=b"hello"))
refused("CL behind a bare LF", post(b"X-A: b\nContent-Length: 5", body=b"hello"))
refused("CL leading space", post(b" Content-Length: 5", body=b"hello"))
either("CL leading zeros", post(b"Content-Length: 005", body=b"hello"), ("/", b"hello"))
either("CL name, underscore", post(b"Content_Length: 5"))
taken("CL with spaces around", post(b"Content-Length: \t 5 \t", body=b"hello"), ("/", b"hello"))

# A body where careless backends expect none (CL.0), and none where they expect one

taken("CL.0 POST", post(INNER_LENGTH, body=INNER), ("/", INNER))
taken("CL.0 GET", get(INNER_LENGTH) + INNER, ("/", INNER))
taken("CL.0 HEAD", message(b"HEAD / HTTP/1.1", INNER_LENGTH, body=INNER), ("/", INNER))
taken("CL.0 DELETE", message(b"DELETE / HTTP/1.1", INNER_LENGTH, body=INNER), ("/", INNER))
taken("CL.0 OPTIONS", message(b"OPTIONS / HTTP/1.1", INNER_LENGTH, body=INNER), ("/", INNER))
taken("CL.0 unknown method", message(b"BREW / HTTP/1.1", INNER_LENGTH, body=INNER), ("/", INNER))
taken("chunked GET", get(b"Transfer-Encoding: chunked") + INNER_CHUNKED, ("/", INNER))
taken("chunked HEAD", message(b"HEAD / HTTP/1.1", b"Transfer-Encoding: chunked", body=CHUNKED_END))
taken("POST without framing", post() + INNER, ("/", b""), ("/inner", b""))
taken("POST with CL 0", post(b"Content-Length: 0") + INNER, ("/", b""), ("/inner", b""))
taken(
    "HTTP/1.0 POST with CL",
    message(b"POST / HTTP/1.0", b"Connection: keep-alive", b"Content-Length: 5", body=b"hello"),
    ("/", b"hello"),
)
refused("TRACE with a body", message(b"TRACE / HTTP/1.1", b"Content-Length: 5", body=b"hello"))
refused(
    "TRACE with a chunked body", message(b"TRACE / HTTP/1.1", b"Transfer-Encoding: chunked", body=CHUNKED_END)
)

# Chunks

_SIZES = {
    "empty": b"",
    "plus": b"+5",
    "minus": b"-5",
    "prefix": b"0x5",
    "prefix X": b"0X5",
    "leading space": b" 5",
    "leading tab": b"\t5",
    "trailing space": b"5 ",
    "trailing tab": b"5\t",
    "not hexadecimal": b"g",
    "hexadecimal, then not": b"5g",
    "underscore": b"0_5",
    "comma": b"5,5",
    "NUL after": b"5\0",
    "vertical tab": b"\x0b5",
    "quotes": b'"5"',
    "only an extension": b";a=b",
    "space and more": b"5 5",
    "bare CR after": b"5\r",
    "bare CR and more": b"5\rX",
    "16 digits of F": b"FFFFFFFFFFFFFFFF",
    "64 bits": b"8000000000000005",
    "17 digits, wraps to 5": b"10000000000000005",
    "33 digits, wraps to 5": b"100000000000000000000000000000005",
    "wraps 32 bits to 5": b"FFFFFFFF00000005",
    "400 digits": b"5" * 400,
    "4000 zeros": b"0" * 4000 + b"5",
    "CR inside an extension": b"5;a\rb",
    "LF inside an extension": b"5;a\nb",
    "NUL inside an extension": b"5;a=\0",
    "control in an extension": b"5;a=\x01",
    "CRLF in a quoted extension": b'5;a="\r\n"',
    "LF in a quoted extension": b'5;a="\n"',
    "DEL in an extension": b"5;a=\x7f",
}
for _name, _size in _SIZES.items():
    cut(f"chunk size {_name}", chunked(_size + b"\r\nhello\r\n0\r\n\r\n"), 400, 413)

cut("chunk size, bare LF", chunked(b"5\nhello\r\n0\r\n\r\n"))
cut("chunk size, bare LF behind an extension", chunked(b"5;\nhello\r\n0\r\n\r\n"))
cut("chunk size, LF CR", chunked(b"5\n\rhello\r\n0\r\n\r\n"))
cut("chunk size, CR CR LF", chunked(b"5\r\r\nhello\r\n0\r\n\r\n"))
cut("chunk data, no CRLF behind", chunked(b"5\r\nhello0\r\n\r\n"))
cut("chunk data, bare LF behind", chunked(b"5\r\nhello\n0\r\n\r\n"))
cut("chunk data, bare CR behind", chunked(b"5\r\nhello\r0\r\n\r\n"))
cut("chunk data, two bytes behind", chunked(b"5\r\nhelloXX0\r\n\r\n"))
cut("chunk data longer than its size", chunked(b"5\r\nhello world\r\n0\r\n\r\n"))
cut("chunk data shorter than its size", chunked(b"8\r\nhello\r\n0\r\n\r\n"))
cut("last chunk, bare LF", chunked(b"5\r\nhello\r\n0\n\r\n"))
cut("last chunk, LF at the end", chunked(b"5\r\nhello\r\n0\r\n\n"))
cut("last chunk, both bare LF", chunked(b"5\r\nhello\r\n0\n\n"))
cut("last chunk with junk behind", chunked(b"0\r\nX\r\n\r\n"))
cut("last chunk, space behind", chunked(b"0 \r\n\r\n"))
cut("last chunk, CR X", chunked(b"0\r\n\rX"))
cut("a second 0 inside", chunked(b"5\r\nhello\r\n0\r\n0\r\n\r\n"))
cut("chunk extension of 100 KiB", chunked(b"5;" + b"a" * 102400 + b"\r\nhello\r\n0\r\n\r\n"), 400, 413, 431)
cut(
    "many chunk extensions",
    chunked(
        b"1;a=" + b"b" * 8000 + b"\r\nx\r\n" * 1 + (b"1;a=" + b"b" * 8000 + b"\r\nx\r\n") * 20 + b"0\r\n\r\n"
    ),
    400,
    413,
    431,
)

taken("chunk extension", chunked(b"5;a=b\r\nhello\r\n0;c\r\n\r\n"), ("/", b"hello"))
taken("chunk extension, quoted", chunked(b'5;a="b;c\\"d"\r\nhello\r\n0\r\n\r\n'), ("/", b"hello"))
either("chunk extension, spaces", chunked(b"5 ; a = b\r\nhello\r\n0\r\n\r\n"), ("/", b"hello"))
taken(
    "chunk size in upper and lower case",
    chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
    ("/", b"0123456789" * 2),
)
either("chunk size, few leading zeros", chunked(b"005\r\nhello\r\n000\r\n\r\n"), ("/", b"hello"))
taken(
    "chunk data that looks like an end", chunked(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), ("/", b"\r\n0\r\n\r\n")
)
taken("chunk data that looks like a request", chunked(INNER_CHUNKED), ("/", INNER))

# Trailers. Framing and routing fields there mean nothing and never go on (RFC 9110 6.5.1).

either("trailer Content-Length", chunked(b"0\r\nContent-Length: 33\r\n\r\n"))
either("trailer Transfer-Encoding", chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"))
either("trailer Host", chunked(b"0\r\nHost: b\r\n\r\n"))
either("trailer Connection", chunked(b"0\r\nConnection: close\r\n\r\n"))
either("trailer Authorization", chunked(b"0\r\nAuthorization: Basic eA==\r\n\r\n"))
taken("trailer ordinary", chunked(b"0\r\nX-Sum: 1\r\n\r\n"))
cut("trailer, bare LF", chunked(b"0\r\nX-A: b\n\r\n"))
cut("trailer, bare LF hides a field", chunked(b"0\r\nX-A: b\nX-C: d\r\n\r\n"))
cut("trailer, bare CR", chunked(b"0\r\nX-A: b\rX\r\n\r\n"))
cut("trailer, space before the colon", chunked(b"0\r\nX-A : b\r\n\r\n"))
cut("trailer, no colon", chunked(b"0\r\nX-A\r\n\r\n"))
cut("trailer, folded", chunked(b"0\r\nX-A: b\r\n c\r\n\r\n"))
cut("trailer, leading space", chunked(b"0\r\n X-A: b\r\n\r\n"))
cut("trailer, NUL", chunked(b"0\r\nX-A: \0\r\n\r\n"))
cut("trailer, control in the name", chunked(b"0\r\nX\x01A: b\r\n\r\n"))
cut("trailer, empty name", chunked(b"0\r\n: b\r\n\r\n"))
cut("trailer, a request line", chunked(b"0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"))
cut("trailers of 100 KiB", chunked(b"0\r\nX-A: " + b"a" * 102400 + b"\r\n\r\n"), 400, 431)
cut("1000 trailers", chunked(b"0\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n"), 400, 431)

# Line ends

refused("request line, bare LF", b"GET / HTTP/1.1\nHost: a\r\n\r\n")
refused("field line, bare LF", b"GET / HTTP/1.1\r\nHost: a\n\r\n")
refused("head in bare LF", b"GET / HTTP/1.1\nHost: a\n\n")
refused("last line, bare LF", b"GET / HTTP/1.1\r\nHost: a\r\n\n")
refused("LF inside a value", get(b"X-A: b\nX-C: d"))
refused("CR inside a value", get(b"X-A: b\rX-C: d"))
refused("CR CR LF", get(b"X-A: b\r"))
refused("CR at the start of a line", get(b"\rX-A: b"))
refused("LF CR", b"GET / HTTP/1.1\n\rHost: a\n\r\n\r")
refused("CR only", b"GET / HTTP/1.1\rHost: a\r\r")
refused("CR CR LF in the request line", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n")
refused("vertical tab as line end", b"GET / HTTP/1.1\r\nHost: a\x0bX-A: b\r\n\r\n")
refused("LF before the request line", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
refused("CR before the request line", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n")
refused("space before the request line", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n")
refused("many empty lines before the request line", b"\r\n" * 20000 + get(), 400, 431)
taken("empty line before the request line", b"\r\n" + get())
taken("empty line between requests", get() + b"\r\n" + get(target=b"/b"), ("/", b""), ("/b", b""))
taken(
    "CRLF behind a body",
    post(b"Content-Length: 5", body=b"hello") + b"\r\n" + get(target=b"/b"),
    ("/", b"hello"),
    ("/b", b""),
)

# Field lines

refused("fold", get(b"X-A: b", b" c"))
refused("fold by a tab", get(b"X-A: b", b"\tc"))
refused("fold of nothing", get(b"X-A: b", b" "))
refused("fold of the first line", b"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n")
refused("fold of Host", b"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n")
refused("space before the colon", get(b"X-A : b"))
refused("tab before the colon", get(b"X-A\t: b"))
refused("space in a name", get(b"X A: b"))
refused("no colon", get(b"X-A"))
refused("empty name", get(b": b"))
refused("only a colon", get(b":"))
refused("two request lines", b"GET / HTTP/1.1\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
for _byte in b'\x00\x01\x08\x0b\x0c\x0e\x1b\x1f"(),/;<=>?@[\\]{}\x7f\x80\xff':
    refused(f"name with {printable(bytes([_byte]))}", get(b"X" + bytes([_byte]) + b"A: b"))
for _byte in b"\x00\x01\x07\x08\x0b\x0c\x0e\x1a\x1b\x1f\x7f":
    refused(f"value with {printable(bytes([_byte]))}", get(b"X-A: b" + bytes([_byte]) + b"c"))
taken("value with tab and high bytes", get(b"X-A: b\tc\x80\xff"))
taken("name of every token character", get(b"!#$%&'*+-.^_`|~09azAZ: b"))
taken("empty values", get(b"X-A:", b"X-B: ", b"X-C:\t"))
refused("field of 40 KiB", get(b"X-A: " + b"a" * 40960), 431)
refused("name of 40 KiB", get(b"X" * 40960 + b": a"), 431)
refused("500 fields", get(*(b"X-%d: a" % number for number in range(500))), 431)
refused("field without an end", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 65536, 431)
refused("head without an end", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 8192, 431)

# Request line: versions

for _version in (b"HTTP/2.0", b"HTTP/3.0", b"HTTP/0.9", b"HTTP/0.0", b"HTTP/9.9"):
    refused(f"version {_version.decode()}", message(b"GET / " + _version), 505)
refused("almost the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", 505, 400)
for _version in (
    b"HTTP/1.10",
    b"HTTP/11.1",
    b"HTTP/01.1",
    b"HTTP/1.01",
    b"HTTP/1",
    b"HTTP/1.",
    b"HTTP/.1",
    b"HTTP/1,1",
    b"HTTP/1.1.1",
    b"HTTP/+1.1",
    b"HTTP/1.+1",
    b"HTTP/1. 1",
    b"HTTP/a.b",
    b"http/1.1",
    b"Http/1.1",
    b"HTTPS/1.1",
    b"HTTP 1.1",
    b"XHTTP/1.1",
    b"HTTP/1.1 ",
    b"HTTP/1.1\t",
    b"HTTP/1.1\0",
    b"HTTP/1.1x",
    b"HTTP/1.1 x",
    b"HTTP/\xb9.1",
    b"ICY/1.1",
    b"RTSP/1.0",
):
    refused(f"version {printable(_version)!r}", message(b"GET / " + _version), 400, 505)
refused("HTTP/0.9 request", b"GET /\r\n")
refused("HTTP/0.9 request with fields", b"GET /\r\nHost: a\r\n\r\n")
refused("request line without version, space behind", b"GET / \r\nHost: a\r\n\r\n")
# RFC 9110 2.5: a higher minor version SHOULD be processed as the highest one known.
either("version HTTP/1.2", message(b"GET / HTTP/1.2"), statuses=(400, 505))
either("version HTTP/1.9", message(b"GET / HTTP/1.9"), statuses=(400, 505))

# Request line: methods

for _method in (
    b"GE T",
    b"GET\0",
    b"G\x01T",
    b"G\x7fT",
    b"G\x80T",
    b"GET:",
    b"(GET)",
    b'"GET"',
    b"GET,POST",
    b"GET/",
    b"G@T",
    b"[GET]",
    b"{GET}",
    b"GET;",
    b"",
):
    refused(f"method {printable(_method)!r}", message(_method + b" / HTTP/1.1"))
refused("method of 40 KiB", message(b"A" * 40960 + b" / HTTP/1.1"), 400, 414, 431, 501)
for _method in (b"get", b"GeT", b"BREW", b"PROPFIND", b"M-SEARCH", b"QUERY", b"!#$%&'*+-.^_`|~0", b"X" * 24):
    taken(f"method {printable(_method)}", message(_method + b" / HTTP/1.1"))

# Request line: spaces and targets

refused("two spaces before the target", message(b"GET  / HTTP/1.1"))
refused("two spaces before the version", message(b"GET /  HTTP/1.1"))
refused("tab before the target", message(b"GET\t/ HTTP/1.1"))
refused("tab before the version", message(b"GET /\tHTTP/1.1"))
refused("vertical tab before the version", message(b"GET /\x0bHTTP/1.1"))
refused("no target", message(b"GET HTTP/1.1"))
refused("space in the target", get(target=b"/a b"))
refused("a second request line in the target", get(target=b"/ HTTP/1.1\r\nX-A"))
for _target in (
    b"/a\0b",
    b"/a\x01b",
    b"/a\tb",
    b"/a\x0bb",
    b"/a\x7fb",
    b"/a\x80b",
    "/\u00e9".encode(),
    b"/\xff",
    b"/a#b",
    b"/#",
    b"/a?b#c",
    b"/a\\b",
    b"a",
    b"a/b",
    b"?a",
    b"#",
    b"\\",
    b"*",
    b"*/",
    b"/%",
    b"/%2",
    b"/%zz",
    b"/%0g",
    b"/%00",
    b"/a%00b",
    b"/a%5cb",
    b"/a%5Cb",
    b"a:80",
    b"a.example:443",
    b"http:",
    b"http:/a",
    b"http://",
    b"http:///a",
    b"http://?a",
    b"http://:80/",
    b"http://a:b/",
    b"http://a:99999/",
    b"http://a:-1/",
    b"http://u@a/",
    b"http://u:p@a/",
    b"http://a@b/",
    b"http://[::1/",
    b"http://a b/",
    b"http://a\\b/",
    b"http://a/#b",
    b"ftp://a/",
    b"file:///etc/passwd",
    b"javascript:alert(1)",
    b"ws://a/",
    b"http//a/",
    b"://a/",
):
    refused(f"target {printable(_target)}", get(target=_target))
refused("target of 40 KiB", get(target=b"/" + b"a" * 40960), 414)
refused("target without an end", b"GET /" + b"a" * 65536, 414)
refused("CONNECT", message(b"CONNECT a:443 HTTP/1.1", host=b"Host: a:443"), 400, 405, 501)
refused("CONNECT with a path", message(b"CONNECT / HTTP/1.1"), 400, 405, 501)
refused(
    "CONNECT with a body",
    message(b"CONNECT a:443 HTTP/1.1", INNER_LENGTH, body=INNER, host=b"Host: a:443"),
    400,
    405,
    501,
)
refused("CONNECT in HTTP/1.0", message(b"CONNECT a:443 HTTP/1.0", host=b"Host: a:443"), 400, 405, 501)
taken("what browsers leave raw", get(target=b"/a|b?c={d}|^`"), ("/a|b?c={d}|^`", b""))
taken("encoded slash kept", get(target=b"/a%2fb%2Fc"), ("/a%2Fb%2Fc", b""))
taken("dot segments resolved", get(target=b"/a/./b/../c"), ("/a/c", b""))
taken("encoded dot segments resolved", get(target=b"/a/%2e%2E/c"), ("/c", b""))
taken("dots in the query stay", get(target=b"/a?b=/../c"), ("/a?b=/../c", b""))
taken("empty query stays", get(target=b"/a?"), ("/a?", b""))
taken("encoded line end stays encoded", get(target=b"/a?b=%0d%0aX:%20y"), ("/a?b=%0d%0aX:%20y", b""))
# Upper case is the normal form of percent-encoding (RFC 3986 6.2.2.1).
either("encoded line end in the path", get(target=b"/a%0d%0aX:%20y"), ("/a%0D%0AX:%20y", b""))
either("above the root", get(target=b"/../../a"), ("/a", b""))
either("double slash", get(target=b"//b.example/c"), ("//b.example/c", b""))

# Host

refused("no Host", message(b"GET / HTTP/1.1", b"X-A: b", host=None))
refused("no Host, absolute-form", message(b"GET http://a/ HTTP/1.1", host=None))
refused("Host twice", get(b"Host: b"))
refused("Host twice, equal", get(b"Host: a"))
refused("Host twice, other case", get(b"hOST: b"))
refused("Host twice, the first empty", message(b"GET / HTTP/1.1", b"Host: a", host=b"Host:"))
refused("Host twice in HTTP/1.0", message(b"GET / HTTP/1.0", b"Host: b"))
refused("Host with space before the colon", message(b"GET / HTTP/1.1", host=b"Host : a"))
refused("Host twice, one with a space before the colon", get(b"Host : b"))
for _host in (
    b"",
    b"a b",
    b"a, b",
    b"a,b c",
    b"a/b",
    b"a?b",
    b"a#b",
    b"a\\b",
    b"u@a",
    b"u:p@a",
    b"a@",
    b"http://a",
    b"a:b",
    b"a:8x",
    b"a:99999",
    b"a:-1",
    b"a:80:80",
    b":80",
    b"[::1",
    b"::1",
    b"[::1]x",
    b"[::g]",
    b"[]",
    b"a]",
    b"a\tb",
    b"a\0b",
    b"a\x0bb",
    b"a\x7f",
    b"\xe4.example",
    b'"a"',
    b"<a>",
    b"a^b",
    b"a`b",
    b"{a}",
    b"a|b",
    b"a%",
    b"a%zz",
    b"a%00",
    b"a" * 300,
):
    refused(f"Host {printable(_host)[:20]!r}", message(b"GET / HTTP/1.1", host=b"Host: " + _host))
for _host in (
    b"a.example",
    b"A.Example.",
    b"a:80",
    b"a_b",
    b"127.0.0.1",
    b"127.0.0.1:80",
    b"[::1]",
    b"[::1]:80",
    b"xn--4ca.example",
):
    taken(f"Host {_host.decode()}", message(b"GET / HTTP/1.1", host=b"Host: " + _host))
either("Host with an empty port", message(b"GET / HTTP/1.1", host=b"Host: a:"))
# RFC 9112 3.2.2: the authority of an absolute-form target replaces what Host says.
taken("absolute-form", get(target=b"http://a/b?c"), ("/b?c", b""))
taken("absolute-form without path", get(target=b"http://a"), ("/", b""))
taken("absolute-form with query only", get(target=b"http://a?b"), ("/?b", b""))
taken("absolute-form in upper case", get(target=b"HTTP://A/b"), ("/b", b""))
taken("absolute-form, another Host", get(target=b"http://b.example/c"), ("/c", b""))
taken("HTTP/1.0 without Host", message(b"GET / HTTP/1.0", b"Connection: keep-alive", host=None))

# Connection options that would take framing or routing away (the fields named by Connection are hop-by-hop)

either(
    "Connection: Content-Length",
    post(b"Connection: Content-Length", INNER_LENGTH, body=INNER),
    ("/", INNER),
)
either(
    "Connection: Transfer-Encoding",
    chunked(INNER_CHUNKED, b"Connection: Transfer-Encoding"),
    ("/", INNER),
)
either("Connection: Host", get(b"Connection: Host"))
either(
    "Connection: everything",
    get(b"Connection: Host, Via, X-Forwarded-For, X-Forwarded-Host, X-Real-IP, Forwarded, Date"),
)
taken("Connection: X-A", get(b"Connection: X-A, X-B", b"X-A: b"))
taken("Connection: empty elements", get(b"Connection: , keep-alive, ,"))
refused("Connection with a control", get(b"Connection: keep-alive\0close"))
either("Connection: not a token", get(b"Connection: @, (x)"))

# Upgrade and Expect

taken(
    "Upgrade: h2c",
    get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
)
taken("Upgrade: h2c without HTTP2-Settings", get(b"Connection: Upgrade", b"Upgrade: h2c"))
taken("Upgrade: h2c in other case", get(b"Connection: upgrade", b"Upgrade: H2C"))
taken("Upgrade: websocket, h2c", get(b"Connection: Upgrade", b"Upgrade: websocket, h2c"))
taken("Upgrade: TLS/1.0", get(b"Connection: Upgrade", b"Upgrade: TLS/1.0"))
taken("Upgrade not named by Connection", get(b"Upgrade: websocket"))
taken(
    "Upgrade refused by the backend",
    get(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 777"),
)
taken(
    "Upgrade with a body",
    post(b"Connection: Upgrade", b"Upgrade: websocket", INNER_LENGTH, body=INNER),
    ("/", INNER),
)
taken(
    "Upgrade in HTTP/1.0",
    message(b"GET / HTTP/1.0", b"Connection: Upgrade, keep-alive", b"Upgrade: websocket"),
)
taken(
    "Expect: 100-continue",
    post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
    ("/", b"hello"),
)
taken(
    "Expect: 100-Continue, chunked",
    chunked(b"5\r\nhello\r\n0\r\n\r\n", b"Expect: 100-Continue"),
    ("/", b"hello"),
)
taken("Expect: 100-continue on GET", get(b"Expect: 100-continue"))
taken(
    "Expect: 100-continue in HTTP/1.0",
    message(
        b"POST / HTTP/1.0",
        b"Connection: keep-alive",
        b"Expect: 100-continue",
        b"Content-Length: 5",
        body=b"hello",
    ),
    ("/", b"hello"),
)
either(
    "Expect: something else",
    post(b"Expect: y", b"Content-Length: 5", body=b"hello"),
    ("/", b"hello"),
    statuses=(400, 417),
)
either(
    "Expect: y 100-continue",
    post(b"Expect: y 100-continue", INNER_LENGTH, body=INNER),
    ("/", INNER),
    statuses=(400, 417),
)
either(
    "Expect: 100-continue twice",
    post(b"Expect: 100-continue", b"Expect: 100-continue", INNER_LENGTH, body=INNER),
    ("/", INNER),
    statuses=(400, 417),
)
either("Expect: empty", post(b"Expect:", INNER_LENGTH, body=INNER), ("/", INNER), statuses=(400, 417))
refused("Expect: folded", post(b"Expect:\r\n 100-continue", b"Content-Length: 5", body=b"hello"))

# Not HTTP at all

refused("TLS client hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n")
refused("SSH banner", b"SSH-2.0-OpenSSH_9.2\r\n")
refused("SMTP", b"EHLO a\r\n")
refused("NULs", b"\0" * 1024)
refused("high bytes", b"\xff" * 1024)
refused("a word", b"hello\r\n\r\n")
refused("PROXY protocol v1 on a plain listener", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + get())
refused(
    "PROXY protocol v2 on a plain listener",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\x7f\0\0\1" * 2 + b"\0\1\0\2" + get(),
)
refused("response instead of a request", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

# Pipelining: all requests in order, nothing between them

taken("two requests", get() + get(target=b"/b"), ("/", b""), ("/b", b""))
taken(
    "mixed framings",
    post(b"Content-Length: 5", body=b"hello") + chunked(b"2\r\nhi\r\n0\r\n\r\n") + get(target=b"/c"),
    ("/", b"hello"),
    ("/", b"hi"),
    ("/c", b""),
)
taken(
    "forty requests",
    b"".join(get(target=b"/%d" % number) for number in range(40)),
    *((f"/{number}", b"") for number in range(40)),
)

assert len({case.name for case in CASES}) == len(CASES), "names of cases are unique"
