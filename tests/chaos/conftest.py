"""Backends that live as long as the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import peers


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of programs/origin.py: bodies of all kinds, tunnels, broken answers."""
    with peers.origin(tmp_path_factory.mktemp("origin")) as address:
        yield address


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an nginx that answers /text/… with the path."""
    with peers.nginx(tmp_path_factory.mktemp("nginx"), {}) as address:
        yield address
