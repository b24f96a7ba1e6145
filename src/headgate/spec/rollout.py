"""Progressive rollouts."""

from __future__ import annotations

from headgate.spec.data import Data


class RolloutStep(Data, frozen=True):
    percent: float
    seconds: float


class Rollout(Data, frozen=True):
    """How a share of a route grows, and what takes it back."""

    to: str  # name of the share
    steps: tuple[RolloutStep, ...]
    error_margin: float = 0.01  # by which its error ratio may be above that of the others
    p99_factor: float = 1.5
    minimum: int = 100  # exchanges
    window: float = 30.0
    by_file: bool = False  # it begins without an order
