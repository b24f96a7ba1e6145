"""What other people's programs need: certificates, and a backend with every kind of body."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import peers
from support.edge import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, and a certificate for localhost."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of programs/origin.py."""
    with peers.origin(tmp_path_factory.mktemp("origin")) as address:
        yield address
