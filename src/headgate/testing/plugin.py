"""The pytest plugin that `pip install headgate` registers: the fixture `headgate_gateway`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.testing import GatewayStarter


@pytest.fixture
def headgate_gateway() -> Iterator[GatewayStarter]:
    """Start gateways by calling it with sections of a configuration; they end with the test.

    `headgate_gateway(app="127.0.0.1:9001").url` is the URL of one in front of that address.
    """
    from headgate.testing import GatewayStarter

    with ExitStack() as started:
        yield GatewayStarter(started)
