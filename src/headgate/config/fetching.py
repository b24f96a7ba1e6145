"""What middlewares fetch: services of the file, and origins that get services of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.config.model.middlewares import DESCRIPTIONS, Chain
from headgate.config.model.services import Endpoint, Service
from headgate.middleware.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config import model as written
    from headgate.middleware.description import Description


def all_services(model: written.Config) -> dict[str, Service]:
    """Those of the file, and one for each origin that an option names. No name of the file has a colon."""
    origins = dict(_origins(model))
    return dict(model.services) | {
        name: Service(endpoints=(Endpoint(address=origin),)) for name, origin in origins.items()
    }


def _origins(model: written.Config) -> Iterator[tuple[str, str]]:
    """Names of services, and where they are."""
    for middleware in model.middlewares.values():
        description = model.descriptions.get(middleware.type) or DESCRIPTIONS.get(middleware.type)
        if description is None or isinstance(middleware, Chain):
            continue
        for option in description["options"]:
            for text in _urls(option["type"], getattr(middleware, option["name"])):
                url = parse_url(text)
                if url.origin:
                    yield url.service, url.origin


def _urls(kind: Description, value: Any) -> Iterator[str]:
    """The URLs in the value of an option."""
    if value is None:
        return
    if kind["kind"] == "url":
        yield value
    elif kind["kind"] == "optional":
        yield from _urls(kind["of"], value)
    elif kind["kind"] in ("list", "map"):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _urls(kind["of"], item)
    elif kind["kind"] == "section":
        for field in kind["fields"]:
            yield from _urls(field["type"], getattr(value, field["name"]))


def service_references(
    path: tuple[str | int, ...], value: Any
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where the plain data of a middleware names a service by `service://NAME`, and the name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from service_references((*path, key), item)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from service_references((*path, number), item)
    elif isinstance(value, str) and value.startswith("service://"):
        yield path, value.removeprefix("service://").partition("/")[0].partition("?")[0]
