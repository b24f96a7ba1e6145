"""`jwt` with the keys that an issuer publishes: fetched over HTTP, rotated, kept while it cannot answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from support.asking import Client
from support.product import Product, proxying, until
from support.serving import Handler, Server, send
from support.tokens import jwk, jwks, token

ROTATING = {"HTTP/1.1": False, "HTTP/2": True}
FAULTS = ("error", "nonsense", "reset", "away")
NAMES = ("HTTP/1.1", "HTTP/2", *FAULTS, "late")
NUMBERS = count()


class Issuer(Server):
    """Publishes `keys`. With a `fault` it answers something else, or nothing."""

    def __init__(self) -> None:
        self.keys = ["old"]
        self.fault = ""
        self.answered = 0
        super().__init__(self._answer)

    def _answer(self, request: Handler, _: bytes) -> None:
        if self.fault == "error":
            send(request, 500, jwks(published("eve")))
        elif self.fault == "nonsense":
            send(request, 200, b"<html>")
        elif self.fault:
            request.close_connection = True
        else:
            self.answered += 1
            send(request, 200, jwks(*map(published, self.keys)))

    def fail(self, fault: str) -> None:
        """Have it fail from now on."""
        self.fault = fault
        if fault == "away":
            self.close()


def published(kid: str) -> dict[str, object]:
    return jwk("ES256", ord(kid[0]), kid=kid)


@pytest.fixture(scope="module")
def issuers() -> Iterator[dict[str, Issuer]]:
    """One for each test, by name."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(Issuer()) for name in NAMES}


@pytest.fixture(scope="module")
def product(issuers: dict[str, Issuer]) -> Iterator[Product]:
    """Each issuer's tokens are for a path of its own."""
    issuers["late"].fail("error")
    config = proxying(
        "127.0.0.1:1",
        middlewares={
            f"of-{number}": {"type": "jwt", "jwks": f"http://{issuer.address}/keys", "refresh": "200ms"}
            for number, issuer in enumerate(issuers.values())
        },
        routes=[
            {"name": f"of-{number}", "match": {"path": f"/{number}"}, "middlewares": [f"of-{number}"]}
            | {"respond": {"body": "ok"}}
            for number, _ in enumerate(issuers)
        ],
    )
    with Product(config) as made:
        yield made


class Visitor:
    """Somebody who shows tokens of one issuer."""

    def __init__(self, product: Product, name: str) -> None:
        self._product = product
        self._number = NAMES.index(name)
        self._http2 = ROTATING.get(name, False)

    def shows(self, kid: str) -> int:
        """The status for a token that this key signed, and that nobody can remember."""
        made = token("ES256", ord(kid[0]), kid=kid, jti=str(next(NUMBERS)))
        with Client(self._product.port, http2=self._http2) as client:
            return client.ask(f"/{self._number}", {"authorization": f"Bearer {made}"}).status

    def counted(self, name: str) -> float:
        return self._product.metric(f"headgate_middleware_{name}_total", middleware=f"of-{self._number}")


@pytest.mark.parametrize("name", ROTATING)
def test_keys_are_rotated_without_a_reload(issuers: dict[str, Issuer], product: Product, name: str) -> None:
    issuer, visitor = issuers[name], Visitor(product, name)
    assert visitor.shows("old") == 200, "the first one waits for the keys"
    assert visitor.shows("new") == 401
    issuer.keys = ["old", "new"]
    until(lambda: visitor.shows("new") == 200, "the new key")
    assert visitor.shows("old") == 200
    issuer.keys = ["new"]
    until(lambda: visitor.shows("old") == 401, "the end of the old key")
    assert visitor.shows("new") == 200
    assert 3 <= visitor.counted("fetched") <= issuer.answered
    assert visitor.counted("fetch_failures") == 0
    assert product.metric("headgate_snapshot_version") == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_known_keys_are_kept_while_the_issuer_cannot_answer(
    issuers: dict[str, Issuer], product: Product, fault: str
) -> None:
    visitor = Visitor(product, fault)
    assert visitor.shows("old") == 200
    issuers[fault].fail(fault)

    def failed() -> bool:
        assert visitor.shows("old") == 200
        return visitor.counted("fetch_failures") > 0

    until(failed, "a fetch that fails")
    assert [visitor.shows("old") for _ in range(10)] == [200] * 10
    assert visitor.shows("eve") == 401
    assert f"middleware of-{NAMES.index(fault)}: keys cannot be fetched" in product.log


def test_without_keys_nobody_passes_until_the_issuer_answers(
    issuers: dict[str, Issuer], product: Product
) -> None:
    visitor = Visitor(product, "late")
    assert visitor.shows("old") == 503
    assert visitor.shows("eve") == 503
    issuers["late"].fault = ""
    until(lambda: visitor.shows("old") == 200, "the keys")
    assert visitor.shows("eve") == 401
