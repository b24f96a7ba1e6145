"""security_headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headgate.middleware import Exchange, Middleware, option
from headgate.middleware.field_rules import FieldRules

# By option: the field, what it says by the preset "standard", and by "strict".
_FIELDS = {
    "hsts": ("Strict-Transport-Security", "max-age=31536000", "max-age=63072000; includeSubDomains"),
    "content_type_options": ("X-Content-Type-Options", "nosniff", "nosniff"),
    "frame_options": ("X-Frame-Options", "SAMEORIGIN", "DENY"),
    "referrer_policy": ("Referrer-Policy", "strict-origin-when-cross-origin", "no-referrer"),
    "csp": (
        "Content-Security-Policy",
        "",
        "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    "permissions_policy": (
        "Permissions-Policy",
        "",
        (
            "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
            "microphone=(), midi=(), payment=(), usb=()"
        ),
    ),
    "coop": ("Cross-Origin-Opener-Policy", "", "same-origin"),
    "coep": ("Cross-Origin-Embedder-Policy", "", "require-corp"),
    "corp": ("Cross-Origin-Resource-Policy", "", "same-origin"),
}
_TELLING = ("Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Generator", "X-Runtime")


class SecurityHeaders(Middleware):
    """Tell browsers to be careful. What an endpoint says itself stays, unless `replace` is on. Answers to
    gRPC get none of it.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        preset: Literal["standard", "strict"] = option(
            "What is sent where nothing is set: `standard` breaks hardly any site, `strict` is for new ones.",
            "standard",
        )
        hsts: str | None = option("Strict-Transport-Security, over TLS only. An empty text: not sent.", None)
        content_type_options: str | None = option("X-Content-Type-Options.", None)
        frame_options: str | None = option("X-Frame-Options.", None, example="DENY")
        referrer_policy: str | None = option("Referrer-Policy.", None, example="same-origin")
        csp: str | None = option("Content-Security-Policy.", None, example="default-src 'self'")
        permissions_policy: str | None = option("Permissions-Policy.", None, example="camera=()")
        coop: str | None = option("Cross-Origin-Opener-Policy.", None, example="same-origin")
        coep: str | None = option("Cross-Origin-Embedder-Policy.", None, example="require-corp")
        corp: str | None = option("Cross-Origin-Resource-Policy.", None, example="same-site")
        replace: bool = option("Whether this counts where an endpoint says something else.", False)
        remove_server: bool = option("Whether fields that tell what endpoints run on are removed.", False)

    def prepare(self) -> None:
        fields = [(known[0], self._value(name)) for name, known in _FIELDS.items()]
        # RFC 6797 section 7.2: without TLS it says nothing, as anybody could have written it.
        self._plain = self._rules([field for field in fields if field[0] != "Strict-Transport-Security"])
        self._secure = self._rules(fields)

    def _rules(self, fields: list[tuple[str, str]]) -> FieldRules:
        said = {name: value.replace("{", "{{").replace("}", "}}") for name, value in fields if value}
        remove = _TELLING if self.options.remove_server else ()
        return (
            FieldRules(set=said, remove=remove)
            if self.options.replace
            else FieldRules(default=said, remove=remove)
        )

    def _value(self, name: str) -> str:
        written: str | None = getattr(self.options, name)
        _, standard, strict = _FIELDS[name]
        return written if written is not None else strict if self.options.preset == "strict" else standard

    def on_response(self, exchange: Exchange) -> None:
        if not exchange.grpc:
            rules = self._secure if exchange.scheme == "https" else self._plain
            rules.apply(exchange, exchange.response)
