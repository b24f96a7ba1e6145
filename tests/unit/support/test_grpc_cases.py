"""The gRPC cases against the service itself, with nothing between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from support.certificates import Authority
from support.grpc_cases import CASES, channel_to, run_all
from support.peers import grpc_service


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    with grpc_service(tmp_path_factory.mktemp("grpc")) as address, channel_to(address) as channel:
        yield channel


@pytest.mark.parametrize("case", CASES)
def test_in_clear(channel: grpc.Channel, case: str) -> None:
    CASES[case](channel)


def test_over_tls(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.issue("localhost").write(tmp_path, "leaf")
    with grpc_service(tmp_path, pair) as address:
        run_all(address, authority.pem, "localhost")
