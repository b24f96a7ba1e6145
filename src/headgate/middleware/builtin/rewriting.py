"""replace_path and rewrite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from headgate.core.locations import fill, names_in
from headgate.core.paths import path_pattern
from headgate.core.regex import compile_regex
from headgate.middleware import Exchange, Middleware, Reply, option
from headgate.middleware.options import Pattern

# What groups of an address may bring into a path or query: everything that cannot begin another part of it.
_IN_PATH = "/%!$&'()*+,;=:@-._~[]{}|^`\"<>\\"
_IN_QUERY = "/%!$'()*,:@-._~?"


class ReplacePath(Middleware):
    """Ask upstream for one path, whatever the request's is. The query stays."""

    @dataclass(frozen=True, slots=True)
    class Options:
        path: str = option("The path.", example="/index.html")

    def prepare(self) -> None:
        if not self.options.path.startswith("/"):
            raise ValueError("path does not begin with a slash: write for example /index.html")
        if "?" in self.options.path:
            raise ValueError(
                "path has a question mark: write %3F for one of the path; rewrite can set the query"
            )
        self._path = path_pattern(self.options.path).decode()

    def on_request(self, exchange: Exchange) -> None:
        exchange.request.path = self._path


class Rewrite(Middleware):
    """Write path or query anew where a regular expression matches. Templates may use its groups, by name or
    number, `{path}` and `{query}`.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        regex: Pattern = option(
            "Searched in the path, which is in normal form.", example="^/users/(?P<id>[0-9]+)$"
        )
        path: str | None = option("The new path.", None, example="/user")
        query: str | None = option("The new query; an empty text drops it.", None, example="id={id}&{query}")
        subject: Literal["path", "path_and_query"] = option(
            "What the regular expression is searched in; a `?` is between path and query if there is one.",
            "path",
        )

    counters: ClassVar = {"rewritten": "Requests whose path or query was written anew."}

    def prepare(self) -> None:
        self._regex = Groups(self.options.regex)
        if self.options.path is None and self.options.query is None:
            raise ValueError("there is neither path nor query: write what the request's shall become")
        self._regex.check("path", self.options.path, {"path", "query"})
        self._regex.check("query", self.options.query, {"path", "query"})
        if self.options.path is not None and not self.options.path.startswith(("/", "{")):
            raise ValueError("path does not begin with a slash: write for example /new{path}")

    def on_request(self, exchange: Exchange) -> Reply | None:
        request = exchange.request
        path, query = request.path, request.query
        whole = self.options.subject == "path_and_query" and query is not None
        found = self._regex.search(f"{path}?{query}" if whole else path)
        if found is None:
            return None
        groups = self._regex.values(found)
        if self.options.path is not None:
            values = {"path": path, "query": query or "", **groups}
            try:
                request.path = fill(self.options.path, _quoted(values, _IN_PATH))
            except ValueError:
                return Reply(400, "This address leads to no path: ask for another.\n")
        if self.options.query is not None:
            # What stood in the query stays as it is; what stood in the path cannot bring parameters along.
            stood = {"query": query or "", **self._regex.values(found, behind=len(path))}
            values = _quoted({"path": path, **groups}, _IN_QUERY) | stood
            request.query = fill(self.options.query, values).strip("&") or None
        self.worker.count("rewritten")
        return None


class Groups:
    """A regular expression whose groups go into templates, by name and number."""

    def __init__(self, pattern: str) -> None:
        self._pattern = compile_regex(pattern)
        names = {number: name.decode() for name, number in self._pattern.groupindex.items()}
        self._names = [
            (number, names.get(number, str(number))) for number in range(1, self._pattern.groups + 1)
        ]
        self.names = {str(number) for number, _ in self._names} | set(names.values())

    def check(self, key: str, template: str | None, known: set[str]) -> None:
        """Raise ValueError when a template has a name that will not be known, or what no address can have."""
        if template is None:
            return
        unknown = names_in(template) - known - self.names
        if unknown:
            there = ", ".join(f"{{{name}}}" for name in sorted(known | self.names))
            raise ValueError(
                f"{key} has {{{min(unknown)}}}, which the regular expression does not give; there are {there}"
            )
        if any(not 33 <= ord(char) < 127 or char in "#\\" for char in template):
            raise ValueError(
                f"{key} has a character that no address can have: write it percent-encoded, such as %20"
            )

    def search(self, text: str) -> Any:
        """The match, or None."""
        return self._pattern.search(text.encode("latin-1"))

    def values(self, found: Any, behind: int = -1) -> dict[str, str]:
        """The groups of a match by name and number, "" for those without a part in it; only those that begin
        `behind` a place.
        """
        groups = {}
        for number, name in self._names:
            if found.start(number) >= behind:
                groups[name] = groups[str(number)] = (found[number] or b"").decode("latin-1")
        return groups


def _quoted(values: Mapping[str, str], safe: str) -> dict[str, str]:
    return {name: quote(value.encode("latin-1"), safe=safe) for name, value in values.items()}
