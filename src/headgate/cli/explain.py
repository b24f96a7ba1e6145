"""`headgate explain`: the whole decision about one request, from the table that serves traffic."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import click

from headgate.cli.configuration import valid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headgate.core.explanation import Explanation, Step
    from headgate.spec import Route, Snapshot


@dataclass(frozen=True, slots=True)
class Request:
    """The request in question; `path` is normalised, `query` is None without a "?"."""

    method: str
    host: str
    path: str
    query: str | None
    fields: tuple[tuple[str, str], ...]
    client: str
    listener: str


def _field(text: str) -> tuple[str, str]:
    """A header field as curl takes it, "Name: value": its lower-case name, and the value."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"'{text}' is no header field; write 'Name: value'.")
    return name.strip().lower(), value.strip()


def _fact(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"'{text}' is no fact; write FACT=VALUE.")
    return name, value


@click.command()
@click.argument("method")
@click.argument("url")
@click.option(
    "-c",
    "--config",
    envvar="HEADGATE_CONFIG",
    required=True,
    metavar="FILE",
    help='The configuration file ("-" is standard input); or HEADGATE_CONFIG.',
)
@click.option(
    "-H", "--header", "fields", multiple=True, type=_field, metavar="'NAME: VALUE'", help="A header field."
)
@click.option("--client", default="127.0.0.1", show_default=True, metavar="IP", help="The client's address.")
@click.option("--listener", metavar="NAME", help="The listener; else by the URL's port, else the first one.")
@click.option(
    "--tls",
    "facts",
    multiple=True,
    type=_fact,
    metavar="FACT=VALUE",
    help="What the TLS handshake said, such as sni=api.example.com.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(
    method: str,
    url: str,
    *,
    config: str,
    fields: tuple[tuple[str, str], ...],
    client: str,
    listener: str | None,
    facts: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Show which route takes the request METHOD URL, and why the others do not.

    Every route is listed in the order in which it is looked at, with the first condition that failed.

    \b
    headgate explain GET http://api.example.com/v1/users -c headgate.yaml
    headgate explain POST /v1/users -H 'Host: api.example.com' -H 'x-canary: yes' --client 10.0.0.7

    Exit codes: 0 explained, whatever the decision is; 1 the configuration is refused; 2 bad usage, or
    the file cannot be read.
    """
    from headgate.config import compile as compile_snapshot
    from headgate.core.handshake import handshake_of
    from headgate.core.routing import RoutingTable

    snapshot = compile_snapshot(valid(config))
    request = _request(snapshot, method, _split(url), fields, client, listener)
    table = RoutingTable(snapshot.routes, listeners=[one.name for one in snapshot.listeners])
    try:
        handshake = handshake_of(dict(facts)) if facts else None
        found = table.explain(
            request.method,
            request.host,
            request.path,
            request.query,
            request.fields,
            request.client,
            request.listener,
            handshake,
        )
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    if as_json:
        click.echo(json.dumps(as_data(snapshot, request, found), indent=2))
    else:
        click.echo("\n".join(as_text(snapshot, request, found)))


def _split(url: str) -> SplitResult:
    if "://" not in url and not url.startswith("/"):
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number
    except ValueError as error:
        raise click.UsageError(f"'{url}' is no URL: {error}.") from None
    return parts


def _request(
    snapshot: Snapshot,
    method: str,
    url: SplitResult,
    fields: Sequence[tuple[str, str]],
    client: str,
    listener: str | None,
) -> Request:
    authority = dict(fields).get("host", url.netloc.rpartition("@")[2])
    host = urlsplit(f"//{authority}").hostname or ""
    others = [(name, value) for name, value in fields if name != "host"]
    return Request(
        method=method,
        host=host,
        path=_path(snapshot, url.path),
        query=url.query or None,
        fields=(("host", authority), *others) if authority else tuple(others),
        client=client,
        listener=_listener(snapshot, url.port, listener),
    )


def _path(snapshot: Snapshot, path: str) -> str:
    """The path as it is matched and sent on; refused here as it is there."""
    from headgate.core.paths import normalise_path, path_policy

    policy = path_policy(
        encoded_slash=snapshot.encoded_slash,
        encoded_backslash=snapshot.encoded_backslash,
        encoded_nul=snapshot.encoded_nul,
    )
    try:
        return normalise_path(path.encode(), policy).decode()
    except ValueError as error:
        click.echo(f"Before any route is looked at, the path '{path}' is answered with 400: {error}.")
        raise SystemExit(0) from None


def _listener(snapshot: Snapshot, port: int | None, name: str | None) -> str:
    names = {listener.name: listener.address.port for listener in snapshot.listeners}
    if name is None:
        return next((known for known, bound in names.items() if bound == port), next(iter(names)))
    if name not in names:
        raise click.UsageError(f"There is no listener '{name}'; there is {', '.join(names)}.")
    return name


def as_text(snapshot: Snapshot, request: Request, found: Explanation) -> Iterator[str]:
    """The decision as lines for people."""
    query = "" if request.query is None else f"?{request.query}"
    asked = f"{request.method} {request.host}{request.path}{query}"
    yield f"{asked}  from {request.client} on listener {request.listener}"
    width = max((len(step.route) for step in (*found.steps, *found.others)), default=0)
    if found.steps:
        yield "\nLooked at, in this order:"
        yield from (_line(step, width, "✗" if step.failed else "✓") for step in found.steps)
    if found.others:
        yield "\nNot looked at:"
        yield from (_line(step, width, "·") for step in found.others)
    yield ""
    if found.winner < 0:
        yield "No route takes it: 404." + (f" The nearest was {found.nearest}." if found.nearest else "")
        return
    yield from _winner(snapshot, snapshot.routes[found.winner], found)


def _line(step: Step, width: int, sign: str) -> str:
    where = f"  ({step.where})" if step.where else ""
    return f"  {sign} {step.route:<{width}}  {step.failed or 'takes the request'}{where}"


def _winner(snapshot: Snapshot, route: Route, found: Explanation) -> Iterator[str]:
    yield f"route        {route.name}"
    if found.captures:
        yield "captures     " + ", ".join(f"{name}={value}" for name, value in found.captures.items())
    yield "middlewares  " + (", ".join(route.middlewares) or "none")
    if route.redirect is not None:
        yield f"redirect     {route.redirect.status}"
    if route.respond is not None:
        yield f"respond      {route.respond.status}"
    services = {service.name: service for service in snapshot.services}
    total = sum(share.weight for share in route.services)
    if route.sticky is not None:
        yield f"sticky       {route.sticky.kind} {route.sticky.name}".rstrip()
    for share in route.services:
        service = services[share.service]
        part = f", {share.weight} of {total}" if len(route.services) > 1 else ""
        yield f"service      {service.name} ({service.balance.algorithm}{part})"
        for endpoint in service.endpoints:
            weight = f"  weight {endpoint.weight}" if endpoint.weight != 1 else ""
            yield f"  endpoint   {endpoint.name}{weight}"


def as_data(snapshot: Snapshot, request: Request, found: Explanation) -> dict[str, Any]:
    """The decision as data for machines."""
    decision: dict[str, Any] = {
        "request": asdict(request),
        "looked_at": [asdict(step) for step in found.steps],
        "not_looked_at": [asdict(step) for step in found.others],
        "route": None,
        "nearest": found.nearest,
    }
    if found.winner >= 0:
        from headgate.spec import shown

        route = snapshot.routes[found.winner]
        names = {share.service for share in route.services}
        decision["route"] = shown(route)
        decision["captures"] = dict(found.captures)
        decision["services"] = [shown(one) for one in snapshot.services if one.name in names]
    return decision
