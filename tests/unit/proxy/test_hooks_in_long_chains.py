"""As many middlewares as a request can meet, and one more."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import pytest

from headgate import spec
from headgate.middleware import Exchange, Middleware, Piece
from headgate.proxy.runtime import SnapshotRefused
from unit.proxy.stage import MIDDLEWARE, OK, Stage, post


class Adds(Middleware):
    """To every second body it sees, so that what a bit says of one is not said of others."""

    bodies: ClassVar[Literal["request", "response", "both"]] = "both"
    calls: ClassVar[int] = 0

    def on_request(self, exchange: Exchange) -> None:
        Adds.calls += 1
        if Adds.calls % 2:
            exchange.ignore_body()

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        return piece.data + b"x" if piece.last else piece.data


async def serve(stage: Stage, of_route: int, of_service: int) -> None:
    Adds.calls = 0
    await stage.serve(
        route={
            "services": (spec.ServiceShare(service="backend"),),
            "middlewares": ("adds",) * of_route,
        },
        service={"middlewares": ("adds",) * of_service},
        middlewares=(spec.Middleware(name="adds", type=f"{__name__}:Adds", metric=MIDDLEWARE),),
    )


@pytest.mark.parametrize(("of_route", "of_service"), [(64, 0), (0, 64), (33, 31)])
async def test_as_many_as_there_can_be(stage: Stage, of_route: int, of_service: int) -> None:
    await serve(stage, of_route, of_service)
    client = await stage.client()
    await client.send(post("Content-Length: 2", body=b"ok"))
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == b"ok" + b"x" * 32
    await upstream.send(OK)
    assert (await client.response()).body == b"ok" + b"x" * 32
    assert Adds.calls == 64


@pytest.mark.parametrize(("of_route", "of_service"), [(65, 0), (0, 65), (33, 32)])
async def test_one_more(stage: Stage, of_route: int, of_service: int) -> None:
    await stage.serve()
    with pytest.raises(SnapshotRefused, match=re.escape("route all: a request could meet 65 middlewares")):
        await serve(stage, of_route, of_service)
