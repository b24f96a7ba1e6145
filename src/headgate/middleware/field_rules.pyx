"""Rules for fields, compiled: names are checked and found in the table of names once, values are templates."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from headgate.core.head cimport Field, token_of
from headgate.middleware.message cimport drop_field, is_framing, is_name, is_value, next_field


cdef class Rule:
    cdef int apply(self, Head head, Exchange exchange) except -1:
        cdef bytes value
        if self.action == RENAME:
            return self.rename(head)
        if self.action == DEFAULT:
            if next_field(head, self.token, PyBytes_AS_STRING(self.name), PyBytes_GET_SIZE(self.name), 0) != NULL:
                return 0
        elif self.action != ADD:
            drop_field(head, self.token, PyBytes_AS_STRING(self.name), PyBytes_GET_SIZE(self.name))
            if self.action == REMOVE:
                return 0
        value = self.value if self.value is not None else self.template.field_value(exchange)
        if PyBytes_GET_SIZE(value) == 0:
            return 0
        return head.add_line(PyBytes_AS_STRING(self.name), PyBytes_GET_SIZE(self.name),
                             PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), self.token)

    cdef int rename(self, Head head) except -1:
        """Each of its lines gets the new name; who sent that one already is not believed."""
        cdef const char* name = PyBytes_AS_STRING(self.name)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.name)
        cdef Field* field = next_field(head, self.token, name, size, 0)
        cdef list values = []
        while field != NULL:
            # Copied, as the bytes of a head may move when it grows.
            values.append(head.bytes[field.value_start:field.value_start + field.value_size])
            field = next_field(head, self.token, name, size, <int>(field - head.fields) + 1)
        drop_field(head, self.new_token, PyBytes_AS_STRING(self.new_name), PyBytes_GET_SIZE(self.new_name))
        drop_field(head, self.token, name, size)
        for value in values:
            head.add_line(PyBytes_AS_STRING(self.new_name), PyBytes_GET_SIZE(self.new_name),
                          PyBytes_AS_STRING(<bytes>value), PyBytes_GET_SIZE(<bytes>value), self.new_token)
        return 0


cdef bytes _name(str name):
    """A name of a field that people may change. Raises ValueError."""
    cdef bytes text
    try:
        text = name.encode("ascii")
    except UnicodeEncodeError:
        text = b""
    if not is_name(text, len(text)):
        raise ValueError(f"{name!r} is no name of a field: use letters, digits and hyphens")
    if is_framing(token_of(text, len(text))):
        raise ValueError(f"{name} is written by Headgate itself: remove it here")
    return text


cdef Rule _rule(Action action, str name, str value):
    cdef Rule rule = Rule.__new__(Rule)
    cdef bytes fixed
    rule.action = action
    rule.name = _name(name)
    rule.token = token_of(rule.name, len(rule.name))
    if action == RENAME:
        rule.new_name = _name(value)
        rule.new_token = token_of(rule.new_name, len(rule.new_name))
        if rule.new_name.lower() == rule.name.lower():
            raise ValueError(f"{name} is renamed to itself: write another name")
    elif action != REMOVE:
        try:
            rule.template = Template(value)
            fixed = "".join([part for part in rule.template.parts if type(part) is str]).encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"the value of {name} has a character that no field can have: use ASCII") from None
        except ValueError as error:
            raise ValueError(f"the value of {name}: {error}") from None
        if not is_value(fixed.strip(), len(fixed.strip())):
            raise ValueError(f"the value of {name} has a control character: remove it")
        if not rule.template.names:
            rule.value = fixed.strip()
    return rule


cdef class FieldRules:
    """Fields are renamed, then removed, set, given a default and added. A value that comes out empty is not sent; what is set takes
    the place of all fields of the name even then. Raises ValueError for names and values that cannot be.
    """

    def __init__(self, *, rename={}, remove=(), set={}, default={}, add={}):
        self.rules = (
            *[_rule(RENAME, old, new) for old, new in rename.items()],
            *[_rule(REMOVE, name, None) for name in remove],
            *[_rule(SET, name, value) for name, value in set.items()],
            *[_rule(DEFAULT, name, value) for name, value in default.items()],
            *[_rule(ADD, name, value) for name, value in add.items()],
        )

    def apply(self, Exchange exchange not None, Message message not None) -> None:
        """Change the message's fields."""
        cdef Head head = message.living()
        for rule in self.rules:
            (<Rule>rule).apply(head, exchange)
