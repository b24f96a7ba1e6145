"""What stands in a route's `match`: hosts, paths, methods, conditions on fields, regular expressions.

All readers raise `Refusal`. Regular expressions run on a linear-time engine (RE2).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import quote

from headgate.base.errors import Refusal
from headgate.core.paths import PathRefused, normalise_path, path_policy
from headgate.core.regex import check_regex, compile_regex
from headgate.spec import FieldMatch, PathMatch

_PATH_SAFE = "".join(chr(c) for c in range(0x21, 0x7F))
_KEEP_ALL = path_policy(encoded_slash="keep", encoded_backslash="keep", encoded_nul="keep")
_DECODE_SLASH = path_policy(encoded_slash="decode", encoded_backslash="keep", encoded_nul="keep")
_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_label = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_path_bytes = re.compile(r"[!-~\x80-\U0010ffff]*")
_field_value = re.compile(r"[\t -~\x80-\xff]*")
_position = re.compile(r" at character [0-9]+$")
_template = re.compile(r"\{([^{}]*)\}")
_bad_percent = re.compile(r"%(?![0-9A-Fa-f]{2})")
_dots = re.compile(r"(?:^|/)(?:\.|%2[eE]){1,2}(?:/|$)")

# What RE2 says, and what a person needs to know.
_REGEX_HINTS = {
    "missing )": "close the parenthesis, or write \\( for a plain one",
    "unexpected )": "remove the parenthesis, or write \\) for a plain one",
    "missing ]": "close the bracket, or write \\[ for a plain one",
    "invalid perl operator": "look-ahead, look-behind and back references do not exist in the linear-time "
    "engine; use a second route or another condition",
    "invalid escape sequence": "back references do not exist in the linear-time engine; double a backslash "
    "for a plain one",
    "no argument for repetition operator": "write \\*, \\+ or \\? for the plain character",
    "bad repetition operator": "write one of *, + and ? only",
    "invalid repetition size": "repeat at most 1000 times",
    "invalid named capture group": "write (?P<name>...)",
    "invalid character class range": "put the lower end first, such as a-z",
}


def parse_regex(pattern: str) -> str:
    """The pattern, when the engine can run it."""
    try:
        problem = check_regex(pattern)
    except UnicodeError:
        problem = "a character that cannot be encoded"
    if problem is not None:
        reason, _, part = problem.partition(": ")  # the part is a piece of the pattern
        at = _position.search(part)
        raise Refusal(
            f"is not a regular expression: {reason}{at[0] if at else ''}", _REGEX_HINTS.get(reason, "")
        )
    return pattern


def group_names(pattern: str) -> frozenset[str]:
    """The names of the groups in a pattern that `parse_regex` accepted."""
    return frozenset(name.decode() for name in compile_regex(pattern).groupindex)


def parse_path(text: str, *, decode_slash: bool = False) -> PathMatch:
    """`/exact`, `/prefix/*`, or `~ ^/regex$`; `decode_slash` where requests' `%2F` are decoded."""
    policy = _DECODE_SLASH if decode_slash else _KEEP_ALL
    if text.startswith("~"):
        return PathMatch(kind="regex", value=parse_regex(_after_tilde(text)))
    if not text.startswith("/"):
        raise Refusal(
            'does not start with "/"',
            f"write /{text}, or ~ and a regular expression"
            if text and text[0] not in "^*"
            else "write /exact, /prefix/* or ~ ^/regex$",
        )
    _check_path(text)
    if text.endswith("/*"):
        if "*" in text[:-1]:
            raise Refusal('has "*" elsewhere than at the end', "write a regular expression: ~ ^/a/[^/]*/b$")
        if text.endswith("//*"):
            raise Refusal('has "//" before its last segment', f"write {text[:-2].rstrip('/')}/*")
        return PathMatch(kind="prefix", value=_normal(text[:-2], policy))
    if "*" in text:
        raise Refusal(
            'has "*" elsewhere than as the last segment',
            "write /prefix/*, or a regular expression such as ~ ^/v[0-9]+/",
        )
    return PathMatch(kind="exact", value=_normal(text, policy))


def parse_plain_path(text: str) -> str:
    """A path without patterns that begins with a slash, such as a prefix to add."""
    if not text.startswith("/"):
        raise Refusal('does not start with "/"', f"write /{text}" if text else "write a path such as /v1")
    _check_path(text)
    return text


def parse_prefix(text: str) -> str:
    """A plain path without a slash at its end: `/v1`."""
    parse_plain_path(text)
    if text.endswith("/"):
        raise Refusal('ends with "/"', f"write {text.rstrip('/')}" if text.strip("/") else "")
    return text


def _normal(path: str, policy: int) -> str:
    """The path in the form that requests' paths are brought into before they are matched."""
    encoded = quote(path, safe=_PATH_SAFE).encode()
    try:
        return normalise_path(encoded, policy).decode() if path else ""
    except PathRefused as refused:
        raise Refusal("can match no request", f"a request is refused for it: {refused}") from None


def _check_path(text: str) -> None:
    if "?" in text:
        raise Refusal('has a "?"; the query is no part of the path', "use match.query for the query")
    if "#" in text:
        raise Refusal('has a "#", which is never sent to a server', "remove it and what follows")
    if not _path_bytes.fullmatch(text):
        raise Refusal("has a space or a control character", "write %20 for a space")
    if _bad_percent.search(text):
        raise Refusal('has a "%" without two hexadecimal digits', "write %25 for a plain %")
    if _dots.search(text):
        raise Refusal(
            'has a segment "." or ".."; such paths are resolved before they are matched',
            "write the resolved path",
        )


def parse_host(text: str) -> str:
    """A host in lower case: `api.example.com`, `*.example.com`, `192.0.2.1` or `[2001:db8::1]`."""
    host = text.lower()
    if host == "*":
        raise Refusal("is any host", "leave `host` out to match any host")
    if "://" in host or "/" in host:
        raise Refusal("is a URL, not a host", f"write {re.sub('^[a-z]+://', '', host).split('/')[0]}")
    if host.startswith("[") or host.count(":") > 1:
        return _parse_ipv6(host)
    if ":" in host:
        raise Refusal("has a port; the host is matched without it", f"write {host.partition(':')[0]}")
    if not host.isascii():
        raise Refusal("has letters that a Host field cannot carry", _punycode_hint(host))
    name = host.removeprefix("*.").removesuffix(".")
    if "*" in name:
        raise Refusal('has "*" elsewhere than as the whole first label', 'write it like "*.example.com"')
    if not name or len(name) > 253 or not all(_label.fullmatch(label) for label in name.split(".")):
        raise Refusal("is not a host name", 'write it like api.example.com or "*.example.com"')
    return host.removesuffix(".")


def parse_server_name(text: str) -> str:
    """A name as TLS clients ask for it, in lower case: `api.example.com` or `*.example.com`."""
    host = parse_host(text)
    if host.startswith("[") or re.fullmatch(r"[0-9.]+", host):
        raise Refusal("is an address; clients of TLS ask for names only", "write a name")
    return host


def _parse_ipv6(host: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(host.strip('[]'))}]"
    except ValueError:
        raise Refusal(
            "is not an IPv6 address in brackets", "write it like [2001:db8::1], without a port"
        ) from None


def _punycode_hint(host: str) -> str:
    try:
        return f"write {host.encode('idna').decode()}"
    except UnicodeError:
        return "write the name in its xn-- form"


def parse_authority(text: str) -> str:
    """A host with or without a port, as it stands in a Host field."""
    host, colon, port = text.rpartition(":")
    if (
        colon
        and not host.endswith(":")
        and port.isascii()
        and port.isdecimal()
        and "]" not in port
        and (":" not in host or host.startswith("["))
    ):
        if len(port) > 5 or not 1 <= int(port) <= 65_535:
            raise Refusal("has no port from 1 to 65535", "write it like app.internal:8080")
    else:
        host, port = text, ""
    if host.startswith("*"):
        raise Refusal("has a wildcard", "write one host")
    host = parse_host(host)
    return f"{host}:{port}" if port else host


def parse_method(text: str) -> str:
    """A request method; methods are case-sensitive."""
    if text == "CONNECT":
        raise Refusal("is refused on these listeners", "remove it")
    if not _token.fullmatch(text):
        raise Refusal("is not a method", "write it like GET")
    if text != text.upper() and text.upper() in (
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "OPTIONS",
        "TRACE",
    ):
        raise Refusal("is not in capitals; methods are case-sensitive", f"write {text.upper()}")
    return text


def parse_field_name(text: str) -> str:
    """The name of a header field, in lower case."""
    if not _token.fullmatch(text):
        raise Refusal("is not the name of a header field", "use letters, digits and hyphens")
    return text.lower()


def parse_field_value(text: str) -> str:
    """The value of a header field: visible characters of Latin-1, spaces and tabs."""
    if text != text.strip() or not _field_value.fullmatch(text):
        raise Refusal(
            "is not the value of a header field",
            "remove line breaks, control characters, outer spaces and characters outside of Latin-1",
        )
    return text


def parse_condition(name: str, condition: Any) -> FieldMatch:
    """What a field must be: a text (exact), `~ regex`, or a mapping `present: true`."""
    if isinstance(condition, str):
        if condition.startswith("~"):
            return FieldMatch(name=name, kind="regex", value=parse_regex(_after_tilde(condition)))
        return FieldMatch(name=name, kind="exact", value=condition)
    return FieldMatch(name=name, kind="present" if condition else "absent")


def _after_tilde(text: str) -> str:
    pattern = text[1:].strip(" ")
    if not pattern:
        raise Refusal("has no regular expression after ~", 'write it like "~ ^/v[0-9]+/"')
    return pattern


def placeholders(template: str) -> frozenset[str]:
    """The names in braces in a template such as `https://{host}{path}`."""
    rest = _template.sub("", template)
    if "{" in rest or "}" in rest:
        raise Refusal("has a brace without its partner", "write names in braces, such as {host} or {path}")
    return frozenset(_template.findall(template))


def parse_pseudonym(text: str) -> str:
    """The name of a Via field: a token; `off` is none."""
    if text == "off":
        return ""
    if not _token.fullmatch(text):
        raise Refusal("is not a name for the Via field", "write one word, such as headgate, or off")
    return text
