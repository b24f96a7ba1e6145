"""cors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from headgate.core.regex import compile_regex
from headgate.middleware import Exchange, Headers, Middleware, Reply, option
from headgate.middleware.field_rules import FieldRules
from headgate.middleware.options import Duration
from headgate.middleware.vary import vary

_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://(\*\.)?([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?|null"
)
_DEFAULT_PORT = re.compile(r"http://.*:80|https://.*:443")
_LABELS = "(?:[a-z0-9_-]+[.])+"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_EXAMPLES = {"methods": "PUT", "headers": "X-Token", "expose": "ETag"}
# What only this middleware says: an endpoint's own would stand beside it, and browsers take no two.
_FIELDS = (
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Private-Network",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
)


class Cors(Middleware):
    """Let pages of other origins use what is here (the CORS protocol of the Fetch standard). Preflights are
    answered here; what endpoints say about CORS themselves is removed.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        origins: tuple[str, ...] = option(
            "Whose pages may: `https://app.example`, `https://*.example` for all hosts below it, `~ REGEX` "
            "for the whole origin, or `*` for everybody.",
            example=["https://app.example", "https://*.example"],
        )
        methods: tuple[str, ...] = option("Methods that they may use.", ("GET", "HEAD", "POST"))
        headers: tuple[str, ...] = option(
            "Fields that they may send beside the usual ones; `*` for all.",
            (),
            example=["Authorization"],
        )
        expose: tuple[str, ...] = option("Fields of responses that they may read.", (), example=["ETag"])
        credentials: bool = option("Whether they may send cookies and the like.", False)
        max_age: Duration = option("How long browsers remember the answer to a preflight.", 600.0)
        private_network: bool = option(
            "Whether pages of public networks may ask here, in a private one.", False
        )

    counters: ClassVar = {
        "preflights": "Preflights that were answered with what is allowed.",
        "refused": "Preflights of origins that are not allowed.",
    }

    def prepare(self) -> None:
        options = self.options
        self._anybody = "*" in options.origins
        if self._anybody and options.credentials:
            raise ValueError(
                'origins is "*" with credentials, so every page could act as its visitors: name the origins'
            )
        if self._anybody and len(options.origins) > 1:
            raise ValueError('origins has "*", which everybody is, and more: remove the others or the star')
        self._exact = {
            origin for origin in options.origins if not origin.startswith("~") and "*" not in origin
        }
        self._pattern = compile_regex("|".join(map(_pattern, options.origins)) if not self._anybody else "")
        for name, example in _EXAMPLES.items():
            for value in getattr(options, name):
                if not _TOKEN.fullmatch(value):
                    raise ValueError(f"{name} has {value!r}, no name: write for example {example}")
        self._allow = [("Access-Control-Max-Age", str(int(options.max_age)))]
        if options.credentials:
            self._allow.append(("Access-Control-Allow-Credentials", "true"))
        self._allow.append(("Access-Control-Allow-Methods", ", ".join(options.methods)))
        self._any_header = "*" in options.headers
        if options.headers and not self._any_header:
            self._allow.append(("Access-Control-Allow-Headers", ", ".join(options.headers)))
        self._others = FieldRules(remove=_FIELDS)
        self._allowed = FieldRules(
            remove=_FIELDS,
            set={
                "Access-Control-Allow-Origin": "*" if self._anybody else "{header.origin}",
                "Access-Control-Allow-Credentials": "true" if options.credentials else "",
                "Access-Control-Expose-Headers": ", ".join(options.expose),
            },
        )

    def on_request(self, exchange: Exchange) -> Reply | None:
        request = exchange.request
        if request.method != "OPTIONS":
            return None
        origin = request.headers.get("origin")
        if origin is None or "access-control-request-method" not in request.headers:
            return None
        if not self._may(origin):
            self.worker.count("refused")
            return Reply(403, "Pages of this origin may not use what is here.\n", {"Vary": "Origin"})
        self.worker.count("preflights")
        return Reply(204, b"", [*self._allow, *self._for_preflight(request.headers, origin)])

    def on_response(self, exchange: Exchange) -> None:
        origin = exchange.request.headers.get("origin")
        rules = self._allowed if origin is not None and self._may(origin) else self._others
        rules.apply(exchange, exchange.response)
        if not self._anybody:
            vary(exchange.response.headers, "Origin")

    def _may(self, origin: str) -> bool:
        return (
            self._anybody
            or origin in self._exact
            or self._pattern.fullmatch(origin.encode("latin-1")) is not None
        )

    def _for_preflight(self, headers: Headers, origin: str) -> list[tuple[str, str]]:
        """What an answer has that depends on the request."""
        fields = [
            ("Access-Control-Allow-Origin", "*" if self._anybody else origin),
            ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ]
        asked = headers.get("access-control-request-headers")
        if self._any_header and asked:
            fields.append(("Access-Control-Allow-Headers", asked))
        if self.options.private_network and headers.get("access-control-request-private-network") == "true":
            fields.append(("Access-Control-Allow-Private-Network", "true"))
        return fields


def _pattern(origin: str) -> str:
    """A regular expression for whole origins. Raises ValueError for what is none."""
    if origin.startswith("~"):
        pattern = origin[1:].strip()
        try:
            compile_regex(pattern)
        except ValueError as error:
            raise ValueError(f"origins has {origin!r}, which is no regular expression: {error}") from None
        return f"(?:{pattern})"
    if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin):
        raise ValueError(
            f"origins has {origin!r}, which browsers never send: write for example https://app.example or "
            "https://*.example:8443, in lower case, without a path and without the scheme's own port"
        )
    return re.escape(origin).replace(r"\*\.", _LABELS)
