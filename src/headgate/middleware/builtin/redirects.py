"""redirect and trailing_slash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from headgate.core.locations import PARTS, Address, Destination, location
from headgate.middleware import Exchange, Middleware, Reply, Request, option
from headgate.middleware.builtin.rewriting import Groups
from headgate.middleware.options import Kind, Pattern

Port = Annotated[int, Kind("int", 1, 65_535)]
Status = Annotated[int, Kind("int", 301, 308)]
STATUSES = (301, 302, 303, 307, 308)
_STATUS = "301 or 308 for ever, 302, 303 or 307 for now; 308 and 307 keep the method, 303 makes it GET."


class Redirect(Middleware):
    """Answer with another place, unless it is the one that was asked for. What is not set is kept from the
    request. Templates may use `{scheme}`, `{host}`, `{port}`, `{path}`, `{query}` and the groups of `regex`.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        scheme: Literal["http", "https"] | None = option("Scheme of the new place.", None)
        host: str | None = option("Host of the new place.", None, example="www.{host}")
        port: Port | None = option(
            "Port of the new place; without it the scheme's, or the request's when scheme and host are kept.",
            None,
        )
        path: str | None = option("Path of the new place.", None, example="/new/{id}")
        query: str | None = option("Query of the new place; an empty text drops it.", None)
        regex: Pattern | None = option(
            "Only paths that this matches are sent elsewhere.", None, example="^/old/(?P<id>[0-9]+)$"
        )
        status: Status = option(_STATUS, 308)

    counters: ClassVar = {"redirected": "Requests that were sent elsewhere."}

    def prepare(self) -> None:
        options = self.options
        check_status(options.status)
        self._regex = Groups(options.regex) if options.regex is not None else None
        groups = self._regex or Groups("")
        if all(getattr(options, part) is None for part in PARTS):
            raise ValueError(f"it leads to where the request was: write one of {', '.join(PARTS)}")
        for part in ("host", "path", "query"):
            groups.check(part, getattr(options, part), set(PARTS))

    def on_request(self, exchange: Exchange) -> Reply | None:
        groups: dict[str, str] = {}
        if self._regex is not None:
            found = self._regex.search(exchange.request.path)
            if found is None:
                return None
            groups = self._regex.values(found)
        reply = redirection(exchange.request, self.options, self.options.status, groups)
        if reply is not None:
            self.worker.count("redirected")
        return reply


@dataclass(frozen=True, slots=True)
class OtherPath:
    """The same place with another path."""

    path: str
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    query: str | None = None


class TrailingSlash(Middleware):
    """Have all paths end with a slash, or none but `/`."""

    @dataclass(frozen=True, slots=True)
    class Options:
        action: Literal["add", "strip"] = option(
            "What is done; `add` leaves paths whose last segment has a dot, such as `/a.css`."
        )
        by: Literal["redirect", "rewrite"] = option(
            "`redirect`: the client is told to ask again. `rewrite`: only the endpoint sees it.", "redirect"
        )
        status: Status = option(_STATUS, 308)

    counters: ClassVar = {"changed": "Requests that were redirected or rewritten."}

    def prepare(self) -> None:
        check_status(self.options.status)
        self._adds = self.options.action == "add"
        self._redirects = self.options.by == "redirect"

    def on_request(self, exchange: Exchange) -> Reply | None:
        path = exchange.request.path
        if path.endswith("/"):
            new = path if self._adds else path.rstrip("/") or "/"
        else:
            new = path + "/" if self._adds and "." not in path[path.rfind("/") :] else path
        if new == path:
            return None
        self.worker.count("changed")
        if self._redirects:
            # A brace of a path is no place in a template.
            return redirection(exchange.request, OtherPath("{new}"), self.options.status, {"new": new})
        exchange.request.path = new
        return None


def check_status(status: int) -> None:
    """Raise ValueError for one that leads nowhere."""
    if status not in STATUSES:
        raise ValueError(f"{status} is not a status for a redirect: write {', '.join(map(str, STATUSES))}")


def redirection(
    request: Request, destination: Destination, status: int, captures: dict[str, str]
) -> Reply | None:
    """The answer that leads elsewhere; None when the request was there already: it would go on for ever."""
    port = request.port
    asked = Address(request.scheme, request.host, -1 if port is None else port, request.path, request.query)
    target = location(destination, asked, captures)
    if target is None:
        return Reply(404, "This address leads to no host.\n")
    if target == location(OtherPath(""), asked, {}):
        return None
    return Reply(status, b"", {"Location": target.decode()})
