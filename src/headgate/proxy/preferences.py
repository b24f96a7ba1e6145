"""Which endpoints of a service a route wants, and which of them more than others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from headgate.core.balancers import balancer
from headgate.core.cells import Block
from headgate.core.learning import Learning
from headgate.core.levels import Levels
from headgate.core.stickiness import Stickiness

if TYPE_CHECKING:
    from headgate import spec
    from headgate.core.balance import Balancer
    from headgate.core.sessions import SessionTable
    from headgate.core.shared import SharedCell


def balancer_of(balance: spec.Balance, seed: int) -> Balancer:
    """A balancer as a service has it."""
    return balancer(balance.algorithm, seed, table=balance.table, bound=balance.bounded_load)


def levels_of(service: spec.Service, memory: memoryview, seed: int) -> Levels | None:
    """The tiers and zones of a service; None where all endpoints are wanted equally."""
    numbers = [endpoint.level for endpoint in service.endpoints for _ in endpoint.addresses]
    if len(set(numbers)) < 2:
        return None
    return Levels(numbers, partial(balancer_of, service.balance, seed), Block(memory, service.levels_metric))


def stickiness_of(
    service: spec.Service, cell: SharedCell, memory: memoryview, sessions: SessionTable
) -> Stickiness | Learning:
    """How the clients of a sticky service are kept at their endpoints."""
    assert service.sticky is not None
    block = Block(memory, service.sticky.metric)
    if service.sticky.by == "learn":
        return Learning(service.name, service.sticky, cell, block, sessions)
    return Stickiness(service.name, service.sticky, cell, block)


def members_of(service: spec.Service, subset: tuple[tuple[str, str], ...]) -> list[bool] | None:
    """Of each endpoint, whether it is one of the subset; None where there is no subset."""
    if not subset:
        return None
    wanted = set(subset)
    return [wanted <= set(endpoint.labels) for endpoint in service.endpoints for _ in endpoint.addresses]
