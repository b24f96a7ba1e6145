"""How long parts of an exchange live."""

from __future__ import annotations

import gc
import weakref

import pytest

from headgate.core.http1 import Http1Server
from headgate.testing.trial import TrialExchange

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_nothing_of_an_exchange_waits_for_the_collector_of_garbage() -> None:
    gc.disable()
    try:
        exchange = TrialExchange(b"", b"", {})
        (head,) = Http1Server().receive(HEAD)
        exchange.trial_request(head)  # type: ignore[arg-type]  # the first event is a head
        request, headers = exchange.request, exchange.request.headers
        seen = weakref.ref(exchange)
        exchange.trial_over()
        del exchange
        assert seen() is None
        for ask in (lambda: headers["host"], lambda: request.scheme, request.body):
            with pytest.raises(RuntimeError, match="the exchange is over"):
                ask()
    finally:
        gc.enable()
