"""The method that a middleware gives a request, and the framing of what the client waits for."""

from __future__ import annotations

from typing import ClassVar

import pytest

from headgate.middleware import Exchange, Middleware
from unit.proxy.stage import OK, Stage, post
from unit.proxy.test_hooks import serve


class Renames(Middleware):
    method: ClassVar[str]
    refused: ClassVar[list[str]] = []

    def on_request(self, exchange: Exchange) -> None:
        try:
            exchange.request.method = self.method
        except ValueError as error:
            self.refused.append(str(error))


@pytest.mark.parametrize(("method", "other"), [("GET", "HEAD"), ("POST", "HEAD"), ("HEAD", "GET")])
async def test_head_stays_head(stage: Stage, method: str, other: str) -> None:
    """Else the client would wait for a body that does not come, or read one as the next answer."""
    await serve(stage, Renames)
    Renames.method, Renames.refused = other, []
    client = await stage.client()
    upstream = None
    for _ in range(2):
        await client.send(post(method=method))
        upstream = upstream or await stage.backend.accept()
        assert (await upstream.request()).method == method
        await upstream.send(OK[: -2 if method == "HEAD" else None])
        assert (await client.response(to=method)).body == (b"" if method == "HEAD" else b"ok")
    said = (
        f"a request with {method} cannot get {other}: the client would wait for another answer than comes; "
    )
    assert Renames.refused == [said + "ask with worker.fetch and answer with a Reply"] * 2


@pytest.mark.parametrize(("method", "other"), [("GET", "QUERY"), ("PUT", "POST"), ("HEAD", "HEAD")])
async def test_others_can_be_set(stage: Stage, method: str, other: str) -> None:
    await serve(stage, Renames)
    Renames.method, Renames.refused = other, []
    client = await stage.client()
    await client.send(post(method=method))
    upstream = await stage.backend.accept()
    assert (await upstream.request()).method == other
    await upstream.send(OK[: -2 if method == "HEAD" else None])
    assert (await client.response(to=method)).status == 200
    assert Renames.refused == []
