"""Heads as middlewares see them: fields by name, read and changed in the core's spans.

Nothing is built from a head but what somebody asks for, and a field that is set is one line more in it, so that
the others go out as they came.
"""


from headgate.core.head cimport (
    CONNECTION, CONTENT_LENGTH, DROPPED, EXPECT, HTTP2_SETTINGS, KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, Field, Head, token_of,
)

from collections.abc import Mapping


cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    bint PyUnicode_IS_ASCII(object text)


cdef extern from "scan.h" nogil:
    bint hg_is_tchar(unsigned char c)
    bint hg_equal_fold(const char* a, const char* b, size_t size)


cdef class Message:
    """What a request and a response have in common."""

    cdef Head living(self):
        if self.head is None:
            raise RuntimeError("the exchange is over, and what it carried is gone")
        return self.head

    @property
    def headers(self) -> Headers:
        """The fields; a view, so that changing it changes what is sent on."""
        if self._headers is None:
            self._headers = Headers.__new__(Headers)
            self._headers.message = self
        return self._headers


cdef int put_field(Head head, str name, str value, bint more) except -1:
    """Write a field: beside those of the name, or in their place. Raises ValueError for what cannot be."""
    cdef Py_ssize_t name_size, value_size
    cdef const char* name_text = _name_of(name, &name_size)
    cdef int token = token_of(name_text, name_size)
    cdef bytes other
    cdef const char* value_text
    if is_framing(token):
        raise ValueError(f"the field {name} is written by Headgate itself")
    if PyUnicode_IS_ASCII(value):
        value_text = PyUnicode_AsUTF8AndSize(value, &value_size)
    else:
        other = value.encode("latin-1")     # which is a ValueError too when it cannot be
        value_text = other
        value_size = len(other)
    if not is_value(value_text, value_size):
        # A line break would begin another field: this is where fields are injected.
        raise ValueError(f"the field {name} cannot have this value: it has control characters, or spaces "
                         "around it")
    if not more:
        drop_field(head, token, name_text, name_size)
    return head.add_line(name_text, name_size, value_text, value_size, token)


cdef int add_checked(Head head, list fields) except -1:
    """Add fields that come from people. Raises TypeError and ValueError for one that cannot be sent."""
    for name, value in fields:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"the field {name!r} cannot be {value!r}: both are texts")
        put_field(head, name, value, True)
    return 0


cdef const char* _name_of(str name, Py_ssize_t* size) except NULL:
    """The bytes of a field name. Raises ValueError when it is none (RFC 9110 section 5.1)."""
    cdef const char* text = PyUnicode_AsUTF8AndSize(name, size)
    if not is_name(text, size[0]):
        raise ValueError(f"{name!r} is no name of a field")
    return text


cdef bint is_name(const char* text, Py_ssize_t size) noexcept:
    """RFC 9110 section 5.1."""
    cdef Py_ssize_t i
    for i in range(size):
        if not hg_is_tchar(<unsigned char>text[i]):
            return False
    return size > 0


cdef bint is_value(const char* text, Py_ssize_t size) noexcept:
    """RFC 9110 section 5.5."""
    cdef Py_ssize_t i
    cdef unsigned char c
    for i in range(size):
        c = <unsigned char>text[i]
        if (c < 32 and c != 9) or c == 127:
            return False
    return size == 0 or (text[0] not in b" \t" and text[size - 1] not in b" \t")


cdef bint is_framing(int token) noexcept:
    """Whether a field says where messages end, or is of one connection only."""
    return token in (CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER,
                     UPGRADE, EXPECT, HTTP2_SETTINGS)


cdef Field* next_field(Head head, int token, const char* name, Py_ssize_t size, int start) noexcept:
    """The first field of a name, from number `start` on, that is sent on; NULL: there is none."""
    cdef int i
    cdef Field* field
    if token:
        if head.first[token] < 0:
            return NULL
        if head.first[token] > start:
            start = head.first[token]
    for i in range(start, head.field_count):
        field = &head.fields[i]
        if field.flags or field.token != token or field.name_size != size:
            continue
        if token or hg_equal_fold(head.bytes + field.name_start, name, size):
            return field
    return NULL


cdef int drop_field(Head head, int token, const char* name, Py_ssize_t size) except -1:
    cdef Field* field = next_field(head, token, name, size, 0)
    while field != NULL:
        field.flags |= DROPPED
        field = next_field(head, token, name, size, <int>(field - head.fields) + 1)
    return 0


cdef inline str _value(Head head, Field* field):
    return head.bytes[field.value_start:field.value_start + field.value_size].decode("latin-1")


cdef class Headers:
    """The fields of a message, as a mapping without regard to case. A field that stands several times reads as
    its values with commas between (RFC 9110 section 5.3); `all()` gives them one by one, as Set-Cookie needs.

    Names and values that cannot be sent raise ValueError, as do fields that are Headgate's own: those that say
    where messages end, and those of one connection.
    """

    def __getitem__(self, str name not None) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, str name not None, default=None):
        """The value, or `default`."""
        cdef Py_ssize_t size
        cdef const char* text = _name_of(name, &size)
        cdef int token = token_of(text, size)
        cdef Head head = self.message.living()
        cdef Field* field = next_field(head, token, text, size, 0)
        cdef Field* second
        if field == NULL:
            return default
        second = next_field(head, token, text, size, <int>(field - head.fields) + 1)
        if second == NULL:
            return _value(head, field)
        return ", ".join(self.all(name))

    def all(self, str name not None) -> list[str]:
        """The values, in order."""
        cdef Py_ssize_t size
        cdef const char* text = _name_of(name, &size)
        cdef int token = token_of(text, size)
        cdef Head head = self.message.living()
        cdef Field* field = next_field(head, token, text, size, 0)
        cdef list found = []
        while field != NULL:
            found.append(_value(head, field))
            field = next_field(head, token, text, size, <int>(field - head.fields) + 1)
        return found

    def __setitem__(self, str name not None, str value not None) -> None:
        put_field(self.message.living(), name, value, False)

    def add(self, str name not None, str value not None) -> None:
        """One field more, beside those of the same name."""
        put_field(self.message.living(), name, value, True)

    def __delitem__(self, str name not None) -> None:
        cdef Py_ssize_t size
        cdef const char* text = _name_of(name, &size)
        cdef int token = token_of(text, size)
        if is_framing(token):
            raise ValueError(f"the field {name} is written by Headgate itself")
        if next_field(self.message.living(), token, text, size, 0) == NULL:
            raise KeyError(name)
        drop_field(self.message.living(), token, text, size)

    def pop(self, str name not None, default=None):
        """Take a field away, and return its value or `default`."""
        value = self.get(name)
        if value is None:
            return default
        del self[name]
        return value

    def update(self, object fields) -> None:
        """Set several."""
        for name, value in fields.items() if isinstance(fields, Mapping) else fields:
            self[name] = value

    def __contains__(self, object name) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self):
        return iter(dict.fromkeys(name.lower() for name, _ in self.items()))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def items(self) -> list[tuple[str, str]]:
        """Names as they came, and values, one for each line."""
        return [(name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self.message.living().items()]

    def __repr__(self) -> str:
        """Names only: values may be secret."""
        return f"<Headers {', '.join(self)}>" if self.message.head is not None else "<Headers of the past>"
