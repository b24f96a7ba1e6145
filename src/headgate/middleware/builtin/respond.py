"""respond."""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable
from dataclasses import dataclass

from headgate.middleware import Exchange, Middleware, Reply, option
from headgate.middleware.builtin.pages import Page, page_of, pages_of
from headgate.middleware.field_rules import FieldRules
from headgate.middleware.files import WatchedFiles
from headgate.middleware.options import File, Int
from headgate.middleware.templates import Template


class Respond(Middleware):
    """Answer every request that comes here, with a text or a file; no endpoint is asked. Body and fields are
    templates.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        status: Int(200, 599) = option("The status.", 200)  # type: ignore[valid-type]  # a call that gives a type
        body: str = option("The body.", "", example="Hello {client}")
        file: File | None = option("A file with the body; read again when it changes.", None)
        content_type: str | None = option(
            "What the body is; without it by the name of the file, or plain text.", None, example="text/html"
        )
        headers: dict[str, str] = option("Fields by name.", {}, example={"Cache-Control": "no-store"})

    def prepare(self) -> None:
        options = self.options
        if options.body and options.file:
            raise ValueError("there are a body and a file: remove one of them")
        if options.status in (204, 304) and (options.body or options.file):
            raise ValueError(
                f"an answer with status {options.status} has no body: remove it, or write another status"
            )
        self._type = options.content_type or _type_of(options.file) or "text/plain; charset=utf-8"
        FieldRules(set={**options.headers, "Content-Type": self._type})
        self._fields = [(name, Template(value)) for name, value in options.headers.items()]
        self._files = WatchedFiles(self.worker, [options.file] if options.file else [], self._made)

    def _made(self, contents: dict[str, bytes]) -> Page:
        file = self.options.file
        return page_of(pages_of(contents)[file] if file else self.options.body, self._type)

    async def close(self) -> None:
        self._files.close()

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply]:
        looking = self._files.look()
        return self._reply(exchange) if looking is None else self._later(exchange, looking)

    async def _later(self, exchange: Exchange, looking: Awaitable[None]) -> Reply:
        await looking
        return self._reply(exchange)

    def _reply(self, exchange: Exchange) -> Reply:
        body = self._files.value.body(exchange)
        filled = [(name, template.fill_field(exchange)) for name, template in self._fields]
        fields = [("Content-Type", self._type), *filled] if body else filled
        return Reply(self.options.status, body, fields)


def _type_of(file: str | None) -> str | None:
    found = mimetypes.guess_type(file)[0] if file else None
    return f"{found}; charset=utf-8" if found and found.startswith("text/") else found
