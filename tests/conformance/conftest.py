"""One product and one backend per module; connections of a test end with the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support import Backend, Product, RawClient, RecordingBackend, proxying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """What a module lays over the configuration of its product."""
    return {}


@pytest.fixture(scope="module")
def played() -> Iterator[Backend]:
    with Backend() as backend:
        yield backend


@pytest.fixture(scope="module")
def product(played: Backend, settings: dict[str, Any]) -> Iterator[Product]:
    """The product in front of a backend that the tests play by hand."""
    with Product(proxying(played.address, **settings)) as running:
        yield running


@pytest.fixture
def clients() -> Iterator[list[RawClient]]:
    """The connections that `connect` opened."""
    opened: list[RawClient] = []
    yield opened
    for client in opened:
        client.close()


@pytest.fixture
def backend(played: Backend, product: Product, clients: list[RawClient]) -> Iterator[Backend]:
    """The played backend; leaves no connection of the product behind."""
    del product
    yield played
    for client in clients:
        client.close()
    played.finish()


@pytest.fixture
def connect(product: Product, clients: list[RawClient]) -> Callable[[], RawClient]:
    """Open a further connection to the product; closed after the test."""

    def open_client() -> RawClient:
        clients.append(RawClient(product.port))
        return clients[-1]

    return open_client


@pytest.fixture
def client(connect: Callable[[], RawClient]) -> RawClient:
    return connect()


@pytest.fixture(scope="module")
def recording() -> Iterator[RecordingBackend]:
    with RecordingBackend() as backend:
        yield backend


@pytest.fixture(scope="module")
def recorded(recording: RecordingBackend, settings: dict[str, Any]) -> Iterator[Product]:
    """The product in front of a backend that records and answers everything."""
    with Product(proxying(recording.address, **settings)) as running:
        yield running
