"""Bodies of answers that are written here: texts and files, as templates."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.core.accepting import wants_json
from headgate.middleware import Exchange
from headgate.middleware.templates import Template, as_html, as_json, as_text

HTML, JSON = "text/html; charset=utf-8", "application/json"


def page_of(text: str, content_type: str) -> Page:
    """A page with places, each escaped for what the page is."""
    return Page(Template(text, strict=False), content_type)


def pages_of(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Files of UTF-8, by path. Raises ValueError for another."""
    texts = {}
    for path, content in contents.items():
        try:
            texts[path] = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no text in UTF-8: {error.reason} at byte {error.start}") from None
    return texts


def asks_for_json(exchange: Exchange) -> bool:
    """Whether the client would rather have JSON than HTML."""
    return wants_json(exchange.request.headers.get("accept", "").encode("latin-1"))


class Page:
    """A template and what it is."""

    __slots__ = ("_escape", "_template", "content_type")

    def __init__(self, template: Template, content_type: str) -> None:
        self.content_type = content_type
        self._template = template
        kind = content_type.partition(";")[0].strip().lower()
        marked_up = kind.endswith(("html", "xml"))
        self._escape = as_html if marked_up else as_json if kind.endswith("json") else as_text

    def body(self, exchange: Exchange) -> bytes:
        """The page for an exchange."""
        return self._template.fill(exchange, self._escape).encode()
