"""Texts with places that an exchange fills, such as `{client}` or `{header.x-user}`.

A template is read once, when a middleware is prepared. What it is filled with comes from clients: each use escapes
it for where it goes, and into a field no control character gets.
"""

import html
import json
import re
from difflib import get_close_matches
from http import HTTPStatus

from headgate.core.handshake cimport Handshake
from headgate.core.handshake import FACTS

# Places and what they stand for.
PLACES = {
    "client": "address of the client",
    "peer": "address of who is connected",
    "user": "name of who logged in",
    "scheme": "http or https",
    "host": "host that was asked for, in lower case without port",
    "authority": "host and port as the client sent them",
    "method": "method of the request",
    "path": "path, in normal form",
    "query": "query, without the question mark",
    "target": "path and query as the client sent them",
    "version": "1.0, 1.1 or 2",
    "listener": "name of the listener",
    "route": "name of the route",
    "service": "name of the service",
    "endpoint": "name of the endpoint",
    "request_id": "id of the request",
    "reason": "why Headgate did not serve it, as an error type of RFC 9209",
    "status": "status of the response",
    "title": "what the status is called",
    **{f"tls.{fact}": "of the handshake with the client" for fact in FACTS},
    "header.NAME": "a field of the request",
    "cookie.NAME": "a cookie of the request",
    "query.NAME": "a parameter of the query",
    "response.NAME": "a field of the response",
}

_OF_REQUEST = frozenset({"host", "authority", "method", "path", "query", "target", "version"})
_NAMED = {"header": HEADER, "cookie": COOKIE, "query": QUERY, "response": RESPONSE}
_TITLES = {status.value: status.phrase for status in HTTPStatus}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Doubled braces, a place, or a brace that is neither.
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]+")


cdef class Place:
    cdef str value(self, Exchange exchange):
        """What is known of it, bytes as latin-1; "" for nothing."""
        cdef Handshake tls
        if self.kind == OF_REQUEST:
            found = getattr(exchange._request, self.name)
        elif self.kind == HEADER:
            found = exchange._request.headers.get(self.name)
        elif self.kind == OF_EXCHANGE:
            found = getattr(exchange, self.name)
            if found is not None and self.name == "user":
                return (<str>found).encode().decode("latin-1")
        elif self.kind == OF_TLS:
            tls = exchange.tls
            found = None if tls is None else tls.fact(self.fact).decode("latin-1")
        elif self.kind == COOKIE:
            found = exchange._request.cookies.get(self.name)
        elif self.kind == QUERY:
            found = dict(reversed(exchange._request.parameters)).get(self.name)
            return "" if found is None else (<str>found).encode("utf-8", "replace").decode("latin-1")
        elif exchange._response is None:
            return ""
        elif self.kind == RESPONSE:
            found = exchange._response.headers.get(self.name)
        elif self.kind == STATUS:
            return str(exchange._response.status)
        else:
            found = _TITLES.get(exchange._response.status)
        return "" if found is None else <str>found


cdef Place _place(str text):
    """The place of a name. Raises ValueError for one that there is not."""
    cdef Place place = Place.__new__(Place)
    group, dot, place.name = text.partition(".")
    if not dot:
        place.name = text
        place.kind = OF_REQUEST if text in _OF_REQUEST else OF_EXCHANGE
        if text in ("status", "title"):
            place.kind = STATUS if text == "status" else TITLE
        if text in PLACES:
            return place
    elif group == "tls" and place.name in FACTS:
        place.kind = OF_TLS
        place.fact = FACTS.index(place.name)
        return place
    elif group in _NAMED and _TOKEN.fullmatch(place.name):
        place.kind = _NAMED[group]
        return place
    near = get_close_matches(text, PLACES, 1)
    raise ValueError(f"there is no {{{text}}}; " + (f"did you mean {{{near[0]}}}?" if near else
                     "there are " + ", ".join(f"{{{name}}}" for name in PLACES)))


cdef class Template:
    """A text with names in braces; a brace itself is written twice. Raises ValueError for one that cannot be.

    Where it is not `strict`, braces around anything but the name of a place are text, as pages have them.
    """

    def __init__(self, str text not None, *, bint strict=True):
        cdef list parts = []
        cdef list names = []
        cdef str literal = ""
        cdef Py_ssize_t at = 0
        for found in _BRACES.finditer(text):
            literal += text[at:found.start()]
            at = found.end()
            braces = found[0]
            if braces in ("{{", "}}"):
                literal += braces[0] if strict else braces
                continue
            try:
                if found[1] is None:
                    raise ValueError(f"{text!r} has a brace without its partner: write {{name}}, and {{{{ for a brace")
                place = _place(found[1])
            except ValueError:
                if strict:
                    raise
                literal += braces
                continue
            if literal:
                parts.append(literal)
            literal = ""
            parts.append(place)
            names.append(found[1])
        literal += text[at:]
        if literal:
            parts.append(literal)
        self.text = text
        self.names = tuple(names)
        self.parts = tuple(parts)
        self.fixed = None if names else literal

    cpdef str fill(self, Exchange exchange, object escape=None):
        """The text for an exchange. Values are bytes as latin-1; `escape` makes of each what can stand here."""
        cdef list texts
        cdef str value
        if self.fixed is not None:
            return self.fixed
        if escape is None and len(self.parts) == 1:
            return (<Place>self.parts[0]).value(exchange)
        texts = []
        for part in self.parts:
            if type(part) is str:
                texts.append(part)
            else:
                value = (<Place>part).value(exchange)
                texts.append(value if escape is None else escape(value))
        return "".join(texts)

    cdef bytes field_value(self, Exchange exchange):
        """As the value of a field: what could end the line becomes a space (response splitting)."""
        cdef bytes value = self.fill(exchange).encode("latin-1")
        cdef const unsigned char* text = value
        cdef Py_ssize_t size = len(value)
        cdef Py_ssize_t i
        for i in range(size):
            if text[i] < 32 or text[i] == 127:
                return _CONTROL.sub(b" ", value).strip(b" ")
        if size and (text[0] == c" " or text[size - 1] == c" "):
            return value.strip(b" ")
        return value

    def fill_field(self, Exchange exchange not None) -> str:
        """The text for an exchange, as the value of a field."""
        return self.field_value(exchange).decode("latin-1")

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


def as_text(str value not None) -> str:
    """A value in a plain text: it was UTF-8, or what else it was cannot be told."""
    return value.encode("latin-1").decode("utf-8", "replace")


def as_html(str value not None) -> str:
    """A value in HTML, in text and in quoted attributes."""
    return html.escape(as_text(value))


def as_json(str value not None) -> str:
    """A value within the quotes of a text of JSON."""
    return json.dumps(as_text(value)).removeprefix('"').removesuffix('"')
