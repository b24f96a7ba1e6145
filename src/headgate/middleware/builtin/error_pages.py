"""error_pages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Literal

from headgate.middleware import BodyTooLarge, Exchange, Middleware, Reply, option
from headgate.middleware.builtin.pages import HTML, JSON, asks_for_json, page_of, pages_of
from headgate.middleware.builtin.pages import Page as Filled
from headgate.middleware.files import WatchedFiles
from headgate.middleware.options import File
from headgate.middleware.vary import vary

# An endpoint's body up to this size is read, so that its connection can be used again.
MOST_READ = 64 * 1024
# What fields say of the body that goes.
_OF_BODY = re.compile(
    r"content-(?!security-policy|length).*|etag|last-modified|accept-ranges|(repr-)?digest", re.IGNORECASE
)
# What Headgate writes into each head of its own.
_WRITTEN = frozenset({"date", "strict-transport-security"})
# What is of one message or connection only, wherever it stands.
_FRAMING = frozenset(
    {"content-length", "transfer-encoding", "trailer", "connection", "keep-alive", "proxy-connection", "te"}
    | {"upgrade", "expect", "http2-settings"}
)
_STATUSES = re.compile(r"([45])xx|([45][0-9][0-9])(?:-([45][0-9][0-9]))?")


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered with some statuses, as HTML or JSON by what the client would rather have. Texts and
    files are templates.
    """

    statuses: tuple[str, ...] = option("Which: `404`, `500-599`, `5xx`.", example=["404", "5xx"])
    html: str | None = option("The page as HTML.", None)
    html_file: File | None = option("A file with it; read again when it changes.", None, example="404.html")
    json: str | None = option("The answer as JSON.", None)
    json_file: File | None = option("A file with it; read again when it changes.", None)


class ErrorPages(Middleware):
    """Answer errors with pages of your own. Status and fields stay as they are; gRPC has no pages."""

    @dataclass(frozen=True, slots=True)
    class Options:
        pages: tuple[Page, ...] = option("Pages; the first one for a status counts.")
        of: Literal["own", "endpoints", "all"] = option(
            "Whose errors: Headgate's `own`, middlewares included, those of `endpoints`, or `all`.", "own"
        )

    counters: ClassVar = {"pages": "Errors that were answered with a page from here."}

    def prepare(self) -> None:
        self._by_status: dict[int, Page] = {}
        for page in self.options.pages:
            if not any((page.html, page.html_file, page.json, page.json_file)):
                raise ValueError("a page says nothing: write one of html, html_file, json and json_file")
            if (page.html and page.html_file) or (page.json and page.json_file):
                raise ValueError("a page stands in a text and in a file: remove one of them")
            for status in statuses_of(page.statuses):
                self._by_status.setdefault(status, page)
        files = [file for page in self.options.pages for file in (page.html_file, page.json_file) if file]
        self._files = WatchedFiles(self.worker, files, self._made)

    def _made(self, contents: dict[str, bytes]) -> dict[Page, tuple[Filled | None, Filled | None]]:
        texts = pages_of(contents)
        made = {}
        for page in self.options.pages:
            html = texts[page.html_file] if page.html_file else page.html
            json = texts[page.json_file] if page.json_file else page.json
            made[page] = (page_of(html, HTML) if html else None, page_of(json, JSON) if json else None)
        return made

    async def close(self) -> None:
        self._files.close()

    def on_response(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        response = exchange.response
        status = response.status
        if status < 400 or status not in self._by_status or exchange.grpc:
            return None
        if self.options.of not in ("all", "own" if response.own else "endpoints"):
            return None
        looking = self._files.look()
        if looking is not None or (response.has_body and not response.own):
            return self._read_and_replace(exchange, looking)
        self._replace(exchange)
        return None

    async def _read_and_replace(self, exchange: Exchange, looking: Awaitable[None] | None) -> Reply | None:
        if looking is not None:
            await looking
        response = exchange.response
        if response.has_body and not response.own:
            with suppress(BodyTooLarge):
                await response.body(MOST_READ)
            # Not as another body of the same response: those behind may have begun to change that one's.
            page = self._page(exchange)
            fields = [("Content-Type", page.content_type), *_kept(exchange)]
            return Reply(response.status, page.body(exchange), fields)
        self._replace(exchange)
        return None

    def _replace(self, exchange: Exchange) -> None:
        page = self._page(exchange)
        body = page.body(exchange)
        headers = exchange.response.headers
        for name in headers:
            if _OF_BODY.fullmatch(name):
                headers.pop(name)
        headers["Content-Type"] = page.content_type
        exchange.response.replace_body(body)

    def _page(self, exchange: Exchange) -> Filled:
        self.worker.count("pages")
        html, json = self._files.value[self._by_status[exchange.response.status]]
        if html is not None and json is not None:
            vary(exchange.response.headers, "Accept")
            return json if asks_for_json(exchange) else html
        page = html or json
        assert page is not None  # prepare() saw to it
        return page


def _kept(exchange: Exchange) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in exchange.response.headers.items()
        if not _OF_BODY.fullmatch(name) and name.lower() not in _WRITTEN | _FRAMING
    ]


def statuses_of(written: Iterable[str]) -> list[int]:
    """Statuses of errors, of texts such as 404, 500-599 and 5xx. Raises ValueError."""
    found: list[int] = []
    for text in written:
        parts = _STATUSES.fullmatch(text)
        if parts is None:
            raise ValueError(f"{text!r} are no statuses of errors: write for example 404, 500-599 or 5xx")
        family, first, last = parts.groups()
        low = int(family) * 100 if family else int(first)
        high = low + 99 if family else int(last or first)
        if high < low:
            raise ValueError(f"{text} ends before it begins: write {last}-{first}")
        found += range(low, high + 1)
    return found
